#include "host-notifier/chaos/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/dice.h"

namespace seaward::chaos {
namespace {

// How things stand behind the steps so far, as far as they alone say.
struct Standing {
  bool paused = false;
  bool settled = true;
  std::vector<GuestPhysAddr> bad;

  bool Allows(const ActPattern& pattern) const {
    if (paused && NeedsRunningGuest(pattern)) return false;
    switch (pattern.act) {
      case Act::kPause:
        return !paused;
      case Act::kResume:
        return paused;
      case Act::kPoisonAgain:
        return !bad.empty();
      case Act::kSettle:
        return !settled;
      default:
        return true;
    }
  }
  void Takes(const PlannedAct& act) {
    const Act kind = act.pattern.act;
    if (kind == Act::kPause) paused = true;
    if (kind == Act::kResume) paused = false;
    settled = kind == Act::kSettle || (settled && kind == Act::kWait);
    if (kind == Act::kPoison) bad.insert(bad.end(), act.pages.begin(), act.pages.end());
  }
};

class Planner {
 public:
  Planner(const Scenario& scenario, std::uint64_t seed, const ByteRange& memory)
      : scenario_(scenario), memory_(memory), dice_(seed) {
    plan_.seed = seed;
  }

  Result<Plan> Make() {
    if (scenario_.order == Order::kListed) {
      for (std::uint32_t round = 0; round < scenario_.rounds; ++round)
        for (const ActPattern& pattern : scenario_.steps)
          if (auto added = Add(pattern); !added) return Forward(added);
    } else {
      while (plan_.acts.size() < scenario_.draw)
        if (auto added = Add(Draw()); !added) return Forward(added);
    }
    // Whatever comes last: the VM runs, and everything has had the time to come to rest.
    if (now_.paused) (void)Add({.act = Act::kResume});
    if (plan_.acts.empty() || plan_.acts.back().pattern.act != Act::kSettle)
      (void)Add({.act = Act::kSettle});
    return std::move(plan_);
  }

 private:
  const ActPattern& Draw() {
    std::uint64_t total = 0;
    for (const ActPattern& pattern : scenario_.steps)
      if (now_.Allows(pattern)) total += pattern.weight;
    std::uint64_t left = dice_.Below(total);
    for (const ActPattern& pattern : scenario_.steps) {
      if (!now_.Allows(pattern)) continue;
      if (left < pattern.weight) return pattern;
      left -= pattern.weight;
    }
    return scenario_.steps.back();
  }

  Status Add(const ActPattern& pattern) {
    PlannedAct act{.pattern = pattern, .pause_before = {}, .pages = {}};
    act.pause_before = std::chrono::milliseconds(
        dice_.Between(static_cast<std::uint64_t>(scenario_.pace_min.count()),
                      static_cast<std::uint64_t>(scenario_.pace_max.count())));
    if (pattern.act == Act::kPoisonAgain)
      for (std::uint32_t i = 0; i < pattern.pages; ++i)
        act.pages.push_back(now_.bad[dice_.Below(now_.bad.size())]);
    if (pattern.act == Act::kPoison) {
      const std::uint64_t granules = memory_.length() / kPoisonGranule;
      // Beyond half of the memory it would be drawn for ever, and no guest would live.
      if (taken_.size() + pattern.pages > granules / 2)
        return Fail(
            ErrorCode::kLimit,
            fmt::format("more than half of the memory's {} pages were to go bad", granules));
      for (std::uint32_t i = 0; i < pattern.pages; ++i) act.pages.push_back(FreshPage(granules));
    }
    now_.Takes(act);
    plan_.acts.push_back(std::move(act));
    return {};
  }

  GuestPhysAddr FreshPage(std::uint64_t granules) {
    for (;;) {
      const GuestPhysAddr page{memory_.start().value + dice_.Below(granules) * kPoisonGranule};
      if (taken_.insert(page).second) return page;
    }
  }

  const Scenario& scenario_;
  const ByteRange memory_;
  Dice dice_;
  Standing now_;
  std::set<GuestPhysAddr> taken_;
  Plan plan_;
};

}  // namespace

Result<Plan> MakePlan(const Scenario& scenario, std::uint64_t seed, const ByteRange& memory) {
  return Planner(scenario, seed, memory).Make();
}

Result<ByteRange> MemoryFor(const Scenario& scenario, std::uint64_t domain_bytes) {
  const std::uint64_t length = (scenario.memory_bytes > 0 ? scenario.memory_bytes : domain_bytes) /
                               kPoisonGranule * kPoisonGranule;
  return ByteRange::Make(scenario.memory_start, length);
}

std::vector<Permission> NeededPermissions(const Plan& plan) {
  std::set<Permission> needed;
  for (const PlannedAct& act : plan.acts)
    if (IsHarmful(act.pattern.act)) needed.insert(NeededFor(act.pattern));
  return {needed.begin(), needed.end()};
}

std::string Describe(const PlannedAct& act) {
  const ActPattern& pattern = act.pattern;
  std::string text(ToString(pattern.act));
  if (pattern.act == Act::kPoison) text += fmt::format(" {}", ToString(pattern.way));
  if (!act.pages.empty())
    text += fmt::format(" {} {} page{}", protocol::ToString(pattern.evidence), act.pages.size(),
                        act.pages.size() == 1 ? "" : "s");
  if (pattern.act == Act::kWait) text += fmt::format(" {} s", pattern.wait.count());
  return text;
}

std::string Format(const Plan& plan) {
  std::string text = fmt::format("seed {}\n", plan.seed);
  std::size_t number = 0;
  for (const PlannedAct& act : plan.acts) {
    fmt::format_to(std::back_inserter(text), "{:>4}  +{:<6} {}", ++number,
                   fmt::format("{}ms", act.pause_before.count()), Describe(act));
    for (const GuestPhysAddr page : act.pages) text += " " + FormatAddress(page.value);
    text += '\n';
  }
  return text;
}

}  // namespace seaward::chaos
