#include "host-notifier/chaos/permit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "host-notifier/libvirt/chaos_mark.h"

namespace seaward::chaos {
namespace {

const char* Harm(Permission permission) {
  switch (permission) {
    case Permission::kMemory:
      return "pages that the guest gives up until its memory is new; processes that use them may "
             "die";
    case Permission::kMachine:
      return "it is paused, reset or rebooted";
    case Permission::kAgent:
      return "seaward-agent is killed in the guest";
    case Permission::kNotifier:
      return "seaward-notifier is killed or restarted, for all VMs of this host";
    case Permission::kHostMemory:
      return "frames of this host are lost until it boots; the VM may die of it";
  }
  return "";
}

}  // namespace

Status Permit(const Plan& plan, const std::string& vm, const std::optional<std::string>& element) {
  std::vector<std::string> wanted;
  for (const Permission permission : NeededPermissions(plan))
    wanted.emplace_back(ToString(permission));
  if (wanted.empty()) return {};
  const std::string how = fmt::format(
      "; to allow it: virsh metadata '{}' {} --key seaward --set \"<chaos allow='{}'/>\"", vm,
      kChaosNamespace, fmt::join(wanted, " "));
  if (!element)
    return Fail(ErrorCode::kDenied, fmt::format("'{}' is not marked for chaos{}", vm, how));
  auto words = ChaosWordsOf(*element);
  if (!words)
    return Fail(ErrorCode::kDenied,
                fmt::format("the mark of '{}': {}{}", vm, words.error().Text(), how));
  for (const std::string& word : *words)
    if (auto known = ParsePermission(word); !known)
      return Fail(ErrorCode::kDenied,
                  fmt::format("the mark of '{}': {}", vm, known.error().context));
  std::erase_if(wanted, [&words](const std::string& word) {
    return std::ranges::find(*words, word) != words->end();
  });
  if (wanted.empty()) return {};
  return Fail(ErrorCode::kDenied, fmt::format("the mark of '{}' does not allow {}{}", vm,
                                              fmt::join(wanted, ", "), how));
}

std::string Warning(const Plan& plan, const std::string& vm) {
  std::size_t pages = 0;
  for (const PlannedAct& act : plan.acts)
    if (act.pattern.act == Act::kPoison) pages += act.pages.size();
  std::string text = fmt::format("{} steps against '{}', {} bad pages, seed {}:\n",
                                 plan.acts.size(), vm, pages, plan.seed);
  for (const Permission permission : NeededPermissions(plan))
    text += fmt::format("  {:<12} {}\n", ToString(permission), Harm(permission));
  return text;
}

}  // namespace seaward::chaos
