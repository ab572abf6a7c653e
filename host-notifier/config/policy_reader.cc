#include "host-notifier/config/policy_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace seaward::config {
namespace {

using policy::Condition;
using policy::Intervention;
using policy::PolicyConfig;
using policy::Rule;
using policy::VmPolicy;
using std::chrono::seconds;
using yaml::Located;
using yaml::MapReader;

constexpr std::pair<std::string_view, Condition> kConditionWords[] = {
    {"pages", Condition::kPages},
    {"suspected_events", Condition::kSuspectedEvents},
    {"unlocated_events", Condition::kUnlocatedEvents},
    {"uncontainable_events", Condition::kUncontainableEvents},
    {"unretired_pages", Condition::kUnretiredPages},
    {"lost_exits", Condition::kLostExits},
    {"budget_refusals", Condition::kBudgetRefusals}};
constexpr std::pair<std::string_view, Intervention> kInterventionWords[] = {
    {"none", Intervention::kNone},
    {"pause", Intervention::kPause},
    {"reset", Intervention::kReset},
    {"cold_restart", Intervention::kColdRestart}};
constexpr seconds kDay{86400};
// What the ledger can count: a whole huge page of 1 GiB in granules of 4 KiB.
constexpr std::uint64_t kMostCounted = 262144;
constexpr std::size_t kLongestName = 64;

// What rules may refer to.
struct Known {
  std::vector<std::string> sinks;
  std::vector<std::string> rules;  // that `disable` may name
  bool frames_are_retired = true;
};

// A rule and where its parts stand, for what only its neighbours make wrong.
struct PlacedRule {
  Rule rule;
  yaml::Position name_at;
  yaml::Position act_at;
};

bool Has(const std::vector<std::string>& all, std::string_view one) {
  return std::ranges::find(all, one) != all.end();
}

// A word that people, files and metrics can name.
Located<std::string> Name(MapReader& map, std::string_view what) {
  Located<std::string> name = map.Text("name", std::nullopt);
  const bool plain = std::ranges::all_of(name.value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (!plain || name.value.size() > kLongestName)
    map.Refuse(name.at, fmt::format("the name of a {} has at most {} letters, digits, '-', '_', "
                                    "'.'; found '{}'",
                                    what, kLongestName, name.value));
  return name;
}

seconds Seconds(MapReader& map, std::string_view key, seconds fallback, seconds least,
                seconds most) {
  return map.Duration<seconds>(key, fallback, {least, most}).value;
}

std::string SinkName(MapReader& map, std::string_view what, std::vector<std::string>& sinks) {
  Located<std::string> name = Name(map, what);
  if (!name.value.empty() && Has(sinks, name.value))
    map.Refuse(name.at, fmt::format("a second hook or webhook named '{}'", name.value));
  sinks.push_back(name.value);
  return std::move(name.value);
}

policy::Hook ReadHook(MapReader& map, std::vector<std::string>& sinks) {
  policy::Hook hook;
  hook.name = SinkName(map, "hook", sinks);
  hook.program = map.Path("program", std::nullopt).value;
  for (const auto& argument : map.TextList("arguments").value)
    hook.arguments.push_back(argument.value);
  hook.deadline = Seconds(map, "deadline_s", seconds(30), seconds(1), seconds(3600));
  hook.attempts = static_cast<std::uint32_t>(map.Integer("attempts", 3, {1, 100}).value);
  hook.retry = Seconds(map, "retry_s", seconds(30), seconds(1), seconds(3600));
  const auto expiry =
      map.Duration<seconds>("expiry_s", seconds(3600), {seconds(1), seconds(604800)});
  hook.expiry = expiry.value;
  if (hook.expiry < hook.deadline)
    map.Refuse(expiry.at, fmt::format("'{}' would expire before its deadline", hook.name));
  return hook;
}

policy::Webhook ReadWebhook(MapReader& map, std::vector<std::string>& sinks) {
  policy::Webhook hook;
  hook.name = SinkName(map, "webhook", sinks);
  const auto url = map.Parsed<policy::WebUrl>("url", "url", &policy::ParseWebUrl);
  hook.url = url.value;
  hook.token_file = map.Path("token_file", "").value;
  hook.ca_file = map.Path("ca_file", "").value;
  if (!hook.token_file.empty() && !hook.url.host.empty() && !hook.url.tls)
    map.Refuse(url.at, "a token is sent over https:// only");
  hook.deadline = Seconds(map, "deadline_s", seconds(10), seconds(1), seconds(300));
  hook.retry_initial = Seconds(map, "retry_initial_s", seconds(1), seconds(1), seconds(3600));
  const auto longest = map.Duration<seconds>("retry_max_s", seconds(300), {seconds(1), kDay});
  hook.retry_max = longest.value;
  if (hook.retry_max < hook.retry_initial)
    map.Refuse(longest.at, "'retry_max_s' is less than 'retry_initial_s'");
  const auto expiry = map.Duration<seconds>("expiry_s", kDay, {seconds(1), seconds(2592000)});
  hook.expiry = expiry.value;
  if (hook.expiry < hook.deadline)
    map.Refuse(expiry.at, fmt::format("'{}' would expire before its deadline", hook.name));
  return hook;
}

policy::Limits ReadLimits(MapReader map) {
  policy::Limits limits;
  limits.window = Seconds(map, "window_s", seconds(3600), seconds(1), seconds(604800));
  const auto vm_told = map.Integer("vm_notifications", 20, {0, 100000});
  const auto vm_acted = map.Integer("vm_interventions", 2, {0, 1000});
  limits.vm_notifications = vm_told.value;
  limits.vm_interventions = vm_acted.value;
  limits.host_notifications = map.Integer("host_notifications", 200, {0, 1000000}).value;
  limits.host_interventions = map.Integer("host_interventions", 5, {0, 10000}).value;
  if (limits.vm_notifications > limits.host_notifications)
    map.Refuse(vm_told.at, "one VM may have more notifications than all of the host");
  if (limits.vm_interventions > limits.host_interventions)
    map.Refuse(vm_acted.at, "one VM may have more interventions than all of the host");
  return limits;
}

void ReadTime(MapReader& map, Rule& rule) {
  const bool overdue = rule.when == Condition::kUnretiredPages;
  const auto within = map.Duration<seconds>("within_s", kDay, {seconds(1), seconds(2592000)});
  const auto unretired =
      map.Duration<seconds>("for_s", seconds(300), {seconds(0), seconds(604800)});
  if (overdue && map.Has("within_s"))
    map.Refuse(within.at, "'within_s' does not go with 'when: unretired_pages'; use 'for_s'");
  if (!overdue && map.Has("for_s"))
    map.Refuse(unretired.at, "'for_s' goes with 'when: unretired_pages' alone; use 'within_s'");
  (overdue ? rule.unretired_for : rule.within) = overdue ? unretired.value : within.value;
}

void ReadNotify(MapReader& map, const Known& known, Rule& rule) {
  for (const Located<std::string>& sink : map.TextList("notify").value) {
    if (Has(rule.notify, sink.value)) {
      map.Refuse(sink.at, fmt::format("'{}' is named twice", sink.value));
    } else if (!Has(known.sinks, sink.value)) {
      map.Refuse(sink.at, fmt::format("no hook or webhook is named '{}'{}", sink.value,
                                      yaml::SuggestionFor(sink.value, known.sinks)));
    } else {
      rule.notify.push_back(sink.value);
    }
  }
}

PlacedRule ReadRule(MapReader& map, const Known& known) {
  PlacedRule placed;
  Rule& rule = placed.rule;
  const Located<std::string> name = Name(map, "rule");
  rule.name = name.value;
  placed.name_at = name.at;
  rule.when = map.Choice<Condition>("when", kConditionWords, std::nullopt).value;
  rule.at_least = map.Integer("at_least", 1, {1, kMostCounted}).value;
  ReadTime(map, rule);
  ReadNotify(map, known, rule);
  const auto act = map.Choice<Intervention>("act", kInterventionWords, Intervention::kNone);
  rule.act = act.value;
  placed.act_at = act.at;
  if (rule.act == Intervention::kColdRestart && !known.frames_are_retired)
    map.Refuse(act.at, "'cold_restart' needs 'host_retire': the VM would get the bad page again");
  if (!map.Has("notify") && !map.Has("act"))
    map.Refuse(map.at(),
               fmt::format("rule '{}' does nothing: it needs 'notify' or 'act'", rule.name));
  return placed;
}

// The same facts, answered in two ways: only one could happen, and nobody could say which was
// meant.
bool Contradict(const Rule& one, const Rule& other) {
  return one.when == other.when && one.at_least == other.at_least && one.within == other.within &&
         one.unretired_for == other.unretired_for && one.act != other.act &&
         one.act != Intervention::kNone && other.act != Intervention::kNone;
}

std::vector<Rule> ReadRules(MapReader& map, const Known& known) {
  std::vector<PlacedRule> placed;
  map.ForEach("rules", [&](MapReader& item) {
    PlacedRule rule = ReadRule(item, known);
    for (const PlacedRule& other : placed) {
      if (!rule.rule.name.empty() && other.rule.name == rule.rule.name)
        item.Refuse(rule.name_at, fmt::format("a second rule named '{}'", rule.rule.name));
      if (Contradict(rule.rule, other.rule))
        item.Refuse(rule.act_at, fmt::format("contradicts rule '{}': the same facts, another 'act'",
                                             other.rule.name));
    }
    placed.push_back(std::move(rule));
  });
  std::vector<Rule> rules;
  for (PlacedRule& rule : placed) rules.push_back(std::move(rule.rule));
  return rules;
}

VmPolicy ReadVmPolicy(MapReader& map, const Known& known) {
  VmPolicy vm;
  vm.dry_run = map.Flag("dry_run", false).value;
  vm.restart_transient = map.Flag("restart_transient", false).value;
  const auto disabled = map.TextList("disable").value;
  vm.rules = ReadRules(map, known);
  for (const Located<std::string>& name : disabled) {
    if (!Has(known.rules, name.value))
      map.Refuse(name.at, fmt::format("no rule is named '{}'{}", name.value,
                                      yaml::SuggestionFor(name.value, known.rules)));
    if (std::ranges::any_of(vm.rules, [&](const Rule& r) { return r.name == name.value; }))
      map.Refuse(name.at, fmt::format("rule '{}' is both disabled and given anew", name.value));
    vm.disable.push_back(name.value);
  }
  return vm;
}

std::vector<std::string> NamesOf(const std::vector<Rule>& rules) {
  std::vector<std::string> names;
  for (const Rule& rule : rules) names.push_back(rule.name);
  return names;
}

policy::VmSelection ReadSelection(MapReader& map, const Known& known,
                                  const std::vector<policy::VmSelection>& before) {
  policy::VmSelection selection;
  const auto patterns = map.TextList("match");
  if (patterns.value.empty()) map.Refuse(patterns.at, "'match' names no VM");
  selection.match = ReadGlobs(map, patterns);
  const bool reached = std::ranges::none_of(before, [](const policy::VmSelection& earlier) {
    return std::ranges::any_of(earlier.match, &policy::Glob::MatchesAll);
  });
  if (!reached)
    map.Refuse(map.at(), "never used: an earlier 'match' has '*', and the first counts");
  selection.policy = ReadVmPolicy(map, known);
  return selection;
}

}  // namespace

std::vector<policy::Glob> ReadGlobs(MapReader& map,
                                    const Located<std::vector<Located<std::string>>>& patterns) {
  std::vector<policy::Glob> globs;
  for (const Located<std::string>& pattern : patterns.value) {
    auto glob = policy::Glob::Parse(pattern.value);
    if (glob) {
      globs.push_back(std::move(*glob));
    } else {
      map.Refuse(pattern.at, std::move(glob.error().context));
    }
  }
  return globs;
}

PolicyConfig ReadPolicy(MapReader map, bool frames_are_retired) {
  PolicyConfig config;
  Known known;
  known.frames_are_retired = frames_are_retired;
  config.dry_run = map.Flag("dry_run", false).value;
  config.restart_transient = map.Flag("restart_transient", false).value;
  config.duplicate_window =
      Seconds(map, "duplicate_window_s", seconds(300), seconds(0), seconds(604800));
  config.expiry = Seconds(map, "expiry_s", seconds(600), seconds(1), kDay);
  config.limits = ReadLimits(map.Map("limits"));
  map.ForEach("hooks",
              [&](MapReader& item) { config.hooks.push_back(ReadHook(item, known.sinks)); });
  map.ForEach("webhooks",
              [&](MapReader& item) { config.webhooks.push_back(ReadWebhook(item, known.sinks)); });
  config.rules = ReadRules(map, known);
  known.rules = NamesOf(config.rules);
  map.ForEach("vms", [&](MapReader& item) {
    config.vms.push_back(ReadSelection(item, known, config.vms));
  });
  return config;
}

yaml::Loaded<VmPolicy> ParseVmPolicy(const std::string& file, std::string_view text,
                                     const PolicyConfig& config, std::string_view vm_name,
                                     bool frames_are_retired) {
  Known known;
  known.frames_are_retired = frames_are_retired;
  for (const policy::Hook& hook : config.hooks) known.sinks.push_back(hook.name);
  for (const policy::Webhook& hook : config.webhooks) known.sinks.push_back(hook.name);
  known.rules = NamesOf(policy::PolicyFor(config, vm_name, nullptr).rules);
  VmPolicy policy;
  auto wrong =
      yaml::ReadDocument(file, text, [&](MapReader& top) { policy = ReadVmPolicy(top, known); });
  if (!wrong.empty()) return FailWith(std::move(wrong));
  return policy;
}

}  // namespace seaward::config
