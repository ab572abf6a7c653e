#include "host-notifier/chaos/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace seaward::chaos {
namespace {

using protocol::Evidence;
using std::chrono::milliseconds;
using std::chrono::seconds;
using yaml::Located;
using yaml::MapReader;

constexpr std::pair<std::string_view, Act> kActWords[] = {
    {"poison", Act::kPoison},
    {"poison_again", Act::kPoisonAgain},
    {"pause", Act::kPause},
    {"resume", Act::kResume},
    {"reset", Act::kReset},
    {"reboot", Act::kReboot},
    {"kill_agent", Act::kKillAgent},
    {"kill_notifier", Act::kKillNotifier},
    {"restart_notifier", Act::kRestartNotifier},
    {"wait", Act::kWait},
    {"settle", Act::kSettle}};
constexpr std::pair<std::string_view, PoisonWay> kWayWords[] = {
    {"report", PoisonWay::kReport},
    {"guest_inject", PoisonWay::kGuestInject},
    {"host_frame", PoisonWay::kHostFrame}};
constexpr std::pair<std::string_view, Permission> kPermissionWords[] = {
    {"memory", Permission::kMemory},
    {"machine", Permission::kMachine},
    {"agent", Permission::kAgent},
    {"notifier", Permission::kNotifier},
    {"host_memory", Permission::kHostMemory}};
constexpr std::pair<std::string_view, Evidence> kEvidenceWords[] = {
    {"consumed", Evidence::kConsumed},
    {"latent", Evidence::kLatent},
    {"predicted", Evidence::kPredicted}};
constexpr std::pair<std::string_view, Order> kOrderWords[] = {{"listed", Order::kListed},
                                                              {"drawn", Order::kDrawn}};
// One step: a page is one question to the notifier.
constexpr std::uint64_t kMostPages = 4096;
// 52 bits of guest physical address (observe::kTopGuestAddress) in MiB.
constexpr std::uint64_t kMostMib = (std::uint64_t{1} << 32) - 1;
constexpr std::uint64_t kMib = std::uint64_t{1} << 20;

template <class E, std::size_t N>
std::string_view WordOf(const std::pair<std::string_view, E> (&words)[N], E value) {
  const auto* const found =
      std::ranges::find(words, value, &std::pair<std::string_view, E>::second);
  return found == std::end(words) ? std::string_view() : found->first;
}

bool IsAnyPoison(Act act) {
  return act == Act::kPoison || act == Act::kPoisonAgain;
}

// A step and where it stands, for what only its neighbours make wrong.
struct PlacedStep {
  ActPattern pattern;
  yaml::Position at;
};

// Refuses a key that means nothing for this act.
void Only(MapReader& map, std::string_view key, yaml::Position at, bool fits, Act act) {
  if (map.Has(key) && !fits)
    map.Refuse(at, fmt::format("'{}' does not go with 'do: {}'", key, ToString(act)));
}

PlacedStep ReadStep(MapReader& map, Order order) {
  PlacedStep step{{}, map.at()};
  ActPattern& pattern = step.pattern;
  pattern.act = map.Choice<Act>("do", kActWords, std::nullopt).value;
  const auto way = map.Choice<PoisonWay>("how", kWayWords, PoisonWay::kReport);
  const auto evidence = map.Choice<Evidence>("evidence", kEvidenceWords, Evidence::kLatent);
  const auto pages = map.Integer("pages", 1, {1, kMostPages});
  const auto wait = map.Duration<seconds>("for_s", seconds(10), {seconds(1), seconds(3600)});
  const auto weight = map.Integer("weight", 1, {1, 1000});
  const bool poison = IsAnyPoison(pattern.act);
  Only(map, "how", way.at, pattern.act == Act::kPoison, pattern.act);
  Only(map, "evidence", evidence.at, poison, pattern.act);
  Only(map, "pages", pages.at, poison, pattern.act);
  Only(map, "for_s", wait.at, pattern.act == Act::kWait, pattern.act);
  if (map.Has("weight") && order == Order::kListed)
    map.Refuse(weight.at, "'weight' goes with 'order: drawn'");
  if (way.value != PoisonWay::kReport && evidence.value == Evidence::kPredicted)
    map.Refuse(evidence.at, "only with 'how: report' can an error be predicted");
  pattern.way = way.value;
  pattern.evidence = evidence.value;
  pattern.pages = static_cast<std::uint32_t>(pages.value);
  pattern.wait = wait.value;
  pattern.weight = static_cast<std::uint32_t>(weight.value);
  return step;
}

// What stands in the wrong place of a list that is played in its order.
void CheckOrder(MapReader& top, const std::vector<PlacedStep>& steps, std::uint32_t rounds) {
  bool paused = false;
  bool poisoned = false;
  for (std::uint32_t round = 0; round < std::min<std::uint32_t>(rounds, 2); ++round) {
    for (const auto& [pattern, at] : steps) {
      const std::string_view word = ToString(pattern.act);
      if (pattern.act == Act::kPoisonAgain && !poisoned)
        return top.Refuse(at, "'poison_again' before any 'poison'");
      if (paused && (NeedsRunningGuest(pattern) || pattern.act == Act::kPause))
        return top.Refuse(at, fmt::format("'{}' while the VM is paused: 'resume' it before", word));
      if (!paused && pattern.act == Act::kResume)
        return top.Refuse(at, "'resume' of a VM that is not paused");
      poisoned = poisoned || pattern.act == Act::kPoison;
      if (pattern.act == Act::kPause) paused = true;
      if (pattern.act == Act::kResume) paused = false;
    }
  }
}

void CheckDraw(MapReader& top, const std::vector<PlacedStep>& steps) {
  const auto has = [&steps](auto&& means) {
    return std::ranges::any_of(steps, [&](const PlacedStep& s) { return means(s.pattern); });
  };
  for (const auto& [pattern, at] : steps) {
    if (pattern.act == Act::kPoisonAgain &&
        !has([](const ActPattern& p) { return p.act == Act::kPoison; }))
      top.Refuse(at, "'poison_again' without any 'poison'");
    if (pattern.act == Act::kPause &&
        !has([](const ActPattern& p) { return p.act == Act::kResume; }))
      top.Refuse(at, "'pause' without any 'resume'");
  }
  // What is possible in every state: so that there is always something to draw.
  if (!steps.empty() && !has([](const ActPattern& p) {
        return p.act == Act::kPoison || p.act == Act::kReset || p.act == Act::kWait ||
               p.act == Act::kKillNotifier || p.act == Act::kRestartNotifier ||
               p.act == Act::kReboot || p.act == Act::kKillAgent;
      }))
    top.Refuse(steps.front().at,
               "nothing here does anything: want more than 'pause', 'resume', "
               "'poison_again' and 'settle'");
}

void ReadMemory(MapReader map, Scenario& scenario) {
  scenario.memory_start = {map.Integer("start_mib", 1024, {0, kMostMib}).value * kMib};
  const auto size = map.Integer("size_mib", 0, {0, kMostMib});
  scenario.memory_bytes = size.value * kMib;
  if (scenario.memory_start.value + scenario.memory_bytes > (kMostMib + 1) * kMib)
    map.Refuse(size.at, "there is no memory beyond 2^52 bytes");
}

void ReadPace(MapReader map, Scenario& scenario) {
  constexpr milliseconds kLongest{3'600'000};
  scenario.pace_min =
      map.Duration<milliseconds>("min_ms", milliseconds(0), {milliseconds(0), kLongest}).value;
  const auto most =
      map.Duration<milliseconds>("max_ms", milliseconds(2000), {milliseconds(0), kLongest});
  scenario.pace_max = most.value;
  if (scenario.pace_max < scenario.pace_min) map.Refuse(most.at, "'max_ms' is less than 'min_ms'");
}

Scenario ReadScenario(MapReader& top) {
  Scenario scenario;
  scenario.about = top.Text("about", std::nullopt).value;
  const auto order = top.Choice<Order>("order", kOrderWords, Order::kListed);
  scenario.order = order.value;
  const auto rounds = top.Integer("rounds", 1, {1, 1000});
  scenario.rounds = static_cast<std::uint32_t>(rounds.value);
  const auto draw = top.Integer("draw", 0, {0, 10000});
  scenario.draw = static_cast<std::uint32_t>(draw.value);
  if (scenario.order == Order::kDrawn && top.Has("rounds"))
    top.Refuse(rounds.at, "'rounds' goes with 'order: listed'; use 'draw'");
  if (scenario.order == Order::kListed && scenario.draw > 0)
    top.Refuse(draw.at, "'draw' goes with 'order: drawn'; use 'rounds'");
  if (scenario.order == Order::kDrawn && scenario.draw == 0)
    top.Refuse(top.Has("draw") ? draw.at : order.at, "'order: drawn' wants 'draw': how many steps");
  scenario.settle_limit =
      top.Duration<seconds>("settle_s", seconds(120), {seconds(1), seconds(3600)}).value;
  ReadPace(top.Map("pace"), scenario);
  ReadMemory(top.Map("memory"), scenario);
  std::vector<PlacedStep> steps;
  top.ForEach("steps", [&](MapReader& map) { steps.push_back(ReadStep(map, scenario.order)); });
  if (steps.empty()) top.Refuse(top.at(), "no 'steps'");
  scenario.order == Order::kListed ? CheckOrder(top, steps, scenario.rounds)
                                   : CheckDraw(top, steps);
  for (const PlacedStep& step : steps) scenario.steps.push_back(step.pattern);
  return scenario;
}

}  // namespace

std::string_view ToString(Act act) {
  return WordOf(kActWords, act);
}

std::string_view ToString(PoisonWay way) {
  return WordOf(kWayWords, way);
}

std::string_view ToString(Permission permission) {
  return WordOf(kPermissionWords, permission);
}

Result<Permission> ParsePermission(std::string_view word) {
  std::vector<std::string> names;
  for (const auto& [name, permission] : kPermissionWords) {
    if (name == word) return permission;
    names.emplace_back(name);
  }
  return Fail(ErrorCode::kInvalid,
              fmt::format("unknown permission '{}'{}", word, yaml::SuggestionFor(word, names)));
}

bool IsHarmful(Act act) {
  return act != Act::kWait && act != Act::kSettle && act != Act::kResume;
}

Permission NeededFor(const ActPattern& pattern) {
  switch (pattern.act) {
    case Act::kPoison:
      return pattern.way == PoisonWay::kHostFrame ? Permission::kHostMemory : Permission::kMemory;
    case Act::kPoisonAgain:
    case Act::kWait:
    case Act::kSettle:
      return Permission::kMemory;
    case Act::kPause:
    case Act::kResume:
    case Act::kReset:
    case Act::kReboot:
      return Permission::kMachine;
    case Act::kKillAgent:
      return Permission::kAgent;
    case Act::kKillNotifier:
    case Act::kRestartNotifier:
      return Permission::kNotifier;
  }
  return Permission::kMemory;
}

bool NeedsRunningGuest(const ActPattern& pattern) {
  return pattern.act == Act::kReboot || pattern.act == Act::kKillAgent ||
         pattern.act == Act::kSettle ||
         (pattern.act == Act::kPoison && pattern.way == PoisonWay::kGuestInject);
}

yaml::Loaded<Scenario> LoadScenario(const std::string& path) {
  return yaml::LoadFile<Scenario>(path, ReadScenario);
}

yaml::Loaded<Scenario> ParseScenario(const std::string& file, std::string_view text) {
  return yaml::Load<Scenario>(file, text, ReadScenario);
}

std::vector<yaml::KeySpec> DescribeScenario() {
  return yaml::DescribeKeys([](MapReader& top) { ReadScenario(top); });
}

}  // namespace seaward::chaos
