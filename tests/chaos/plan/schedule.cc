#include "tests/chaos/plan/schedule.h"

#include <charconv>

#include "base/dice.h"
#include "tests/chaos/plan/situation.h"

namespace seaward::chaos {
namespace {

// One seed in so many is a domain of libvirt's: most of what can go wrong goes wrong in the ring
// and on the channel, which only the other world reaches.
constexpr std::uint64_t kLibvirtShare = 4;

StepKind Draw(Dice& dice, World world) {
  unsigned total = 0;
  for (const StepTraits& traits : AllSteps())
    if (MeansSomethingIn(traits.kind, world)) total += traits.weight;
  std::uint64_t left = dice.Below(total);
  for (const StepTraits& traits : AllSteps()) {
    if (!MeansSomethingIn(traits.kind, world)) continue;
    if (left < traits.weight) return traits.kind;
    left -= traits.weight;
  }
  return StepKind::kSettle;
}

tl::unexpected<Error> WrongLine(std::size_t number, const std::string& why) {
  return Fail(ErrorCode::kInvalid, "line " + std::to_string(number) + ": " + why);
}

// "NAME REST" with that name.
bool Takes(std::string_view line, std::string_view name, std::string_view& rest) {
  if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ')
    return false;
  rest = line.substr(name.size() + 1);
  return true;
}

Status TakeLine(std::string_view line, Schedule& schedule) {
  std::string_view rest;
  if (Takes(line, "seed", rest)) {
    const auto [end, failed] =
        std::from_chars(rest.data(), rest.data() + rest.size(), schedule.seed);
    if (failed == std::errc() && end == rest.data() + rest.size()) return {};
    return Fail(ErrorCode::kInvalid, "no seed");
  }
  if (Takes(line, "world", rest)) {
    const auto world = ParseWorld(rest);
    if (!world) return tl::unexpected<Error>(world.error());
    schedule.world = *world;
    return {};
  }
  const auto step = ParseStep(line);
  if (!step) return tl::unexpected<Error>(step.error());
  if (!MeansSomethingIn(step->kind, schedule.world))
    return Fail(ErrorCode::kInvalid, "means nothing in this world: " + std::string(line));
  schedule.steps.push_back(*step);
  return {};
}

}  // namespace

Schedule MakeSchedule(std::uint64_t seed, std::size_t length) {
  Dice dice(seed);
  Schedule schedule{.seed = seed,
                    .world = dice.Below(kLibvirtShare) == 0 ? World::kLibvirt : World::kRing,
                    .steps = {}};
  Situation situation;
  while (schedule.steps.size() < length) {
    const StepKind kind = Draw(dice, schedule.world);
    const auto chance = static_cast<std::uint32_t>(dice.Below(100'000));
    if (!situation.Matters(kind)) continue;
    situation.Happens(kind);
    schedule.steps.push_back({kind, chance});
  }
  return schedule;
}

std::string Format(const Schedule& schedule) {
  std::string text = "seed " + std::to_string(schedule.seed) + "\nworld " +
                     std::string(ToString(schedule.world)) + "\n";
  for (const Step& step : schedule.steps) text += Format(step) + "\n";
  return text;
}

Result<Schedule> ParseSchedule(std::string_view text) {
  Schedule schedule;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) continue;
    if (auto taken = TakeLine(line, schedule); !taken)
      return WrongLine(number, taken.error().context);
  }
  return schedule;
}

}  // namespace seaward::chaos
