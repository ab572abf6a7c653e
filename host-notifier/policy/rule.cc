#include "host-notifier/policy/rule.h"

#include <algorithm>

namespace seaward::policy {
namespace {

template <class Named>
const Named* Find(const std::vector<Named>& all, std::string_view name) {
  const auto found = std::ranges::find(all, name, &Named::name);
  return found == all.end() ? nullptr : &*found;
}

void Apply(const VmPolicy& changes, EffectivePolicy& policy) {
  policy.dry_run |= changes.dry_run;
  policy.restart_transient |= changes.restart_transient;
  std::erase_if(policy.rules, [&](const Rule& rule) {
    return std::ranges::find(changes.disable, rule.name) != changes.disable.end();
  });
  for (const Rule& rule : changes.rules) {
    const auto known = std::ranges::find(policy.rules, rule.name, &Rule::name);
    if (known == policy.rules.end()) {
      policy.rules.push_back(rule);
    } else {
      *known = rule;
    }
  }
}

}  // namespace

std::string_view ToString(Condition condition) {
  switch (condition) {
    case Condition::kPages:
      return "pages";
    case Condition::kSuspectedEvents:
      return "suspected_events";
    case Condition::kUnlocatedEvents:
      return "unlocated_events";
    case Condition::kUncontainableEvents:
      return "uncontainable_events";
    case Condition::kUnretiredPages:
      return "unretired_pages";
    case Condition::kLostExits:
      return "lost_exits";
    case Condition::kBudgetRefusals:
      return "budget_refusals";
  }
  return "";
}

std::string_view ToString(Intervention intervention) {
  switch (intervention) {
    case Intervention::kNone:
      return "none";
    case Intervention::kPause:
      return "pause";
    case Intervention::kReset:
      return "reset";
    case Intervention::kColdRestart:
      return "cold_restart";
  }
  return "";
}

const Hook* PolicyConfig::FindHook(std::string_view name) const {
  return Find(hooks, name);
}

const Webhook* PolicyConfig::FindWebhook(std::string_view name) const {
  return Find(webhooks, name);
}

EffectivePolicy PolicyFor(const PolicyConfig& config, std::string_view vm_name,
                          const VmPolicy* own) {
  EffectivePolicy policy{config.dry_run, config.restart_transient, config.duplicate_window,
                         config.limits, config.rules};
  const auto selected = std::ranges::find_if(config.vms, [&](const VmSelection& selection) {
    return std::ranges::any_of(selection.match,
                               [&](const Glob& glob) { return glob.Matches(vm_name); });
  });
  if (selected != config.vms.end()) Apply(selected->policy, policy);
  if (own != nullptr) Apply(*own, policy);
  return policy;
}

}  // namespace seaward::policy
