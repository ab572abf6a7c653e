// Plans, for any scenario and any seed.
#include "host-notifier/chaos/plan.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace seaward::chaos {
namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20;

ByteRange Memory(std::uint64_t mib = 64) {
  return *ByteRange::Make({std::uint64_t{1} << 30}, mib * kMib);
}

ActPattern AnyPattern() {
  ActPattern pattern;
  pattern.act = *rc::gen::element(Act::kPoison, Act::kPoisonAgain, Act::kPause, Act::kResume,
                                  Act::kReset, Act::kReboot, Act::kKillAgent, Act::kKillNotifier,
                                  Act::kRestartNotifier, Act::kWait, Act::kSettle);
  pattern.way =
      *rc::gen::element(PoisonWay::kReport, PoisonWay::kGuestInject, PoisonWay::kHostFrame);
  pattern.pages = *rc::gen::inRange<std::uint32_t>(1, 40);
  pattern.weight = *rc::gen::inRange<std::uint32_t>(1, 10);
  return pattern;
}

// A drawn scenario as the loader lets it through.
Scenario AnyDrawn() {
  Scenario scenario;
  scenario.order = Order::kDrawn;
  scenario.draw = *rc::gen::inRange<std::uint32_t>(1, 60);
  scenario.pace_min = std::chrono::milliseconds(*rc::gen::inRange(0, 100));
  scenario.pace_max = scenario.pace_min + std::chrono::milliseconds(*rc::gen::inRange(0, 100));
  for (int i = *rc::gen::inRange(0, 8); i > 0; --i) scenario.steps.push_back(AnyPattern());
  scenario.steps.push_back({.act = Act::kPoison, .pages = *rc::gen::inRange<std::uint32_t>(1, 9)});
  scenario.steps.push_back({.act = Act::kResume});
  return scenario;
}

RC_GTEST_PROP(PlanProperty, IsMadeOfItsSeedAlone, ()) {
  const Scenario scenario = AnyDrawn();
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto one = MakePlan(scenario, seed, Memory());
  const auto two = MakePlan(scenario, seed, Memory());
  RC_ASSERT(one.has_value() && two.has_value());
  RC_ASSERT(Format(*one) == Format(*two));
}

RC_GTEST_PROP(PlanProperty, NoPageGoesBadTwiceAndEachIsAGranuleOfTheMemory, ()) {
  const auto plan = MakePlan(AnyDrawn(), *rc::gen::arbitrary<std::uint64_t>(), Memory());
  RC_ASSERT(plan.has_value());
  std::set<GuestPhysAddr> bad;
  for (const PlannedAct& act : plan->acts) {
    const bool poison = act.pattern.act == Act::kPoison;
    if (poison || act.pattern.act == Act::kPoisonAgain)
      RC_ASSERT(act.pages.size() == act.pattern.pages);
    else
      RC_ASSERT(act.pages.empty());
    for (const GuestPhysAddr page : act.pages) {
      RC_ASSERT(page.value % kPoisonGranule == 0);
      RC_ASSERT(Memory().Contains(page));
      RC_ASSERT(poison == bad.insert(page).second);
    }
  }
}

RC_GTEST_PROP(PlanProperty, NothingWaitsForAGuestThatIsHeldAndAllSettlesAtTheEnd, ()) {
  const Scenario scenario = AnyDrawn();
  const auto plan = MakePlan(scenario, *rc::gen::arbitrary<std::uint64_t>(), Memory());
  RC_ASSERT(plan.has_value());
  bool paused = false;
  for (const PlannedAct& act : plan->acts) {
    const Act kind = act.pattern.act;
    if (kind == Act::kPause || NeedsRunningGuest(act.pattern)) RC_ASSERT(!paused);
    if (kind == Act::kResume) RC_ASSERT(paused);
    if (kind == Act::kPause || kind == Act::kResume) paused = kind == Act::kPause;
    RC_ASSERT(act.pause_before >= scenario.pace_min && act.pause_before <= scenario.pace_max);
  }
  RC_ASSERT(!paused);
  RC_ASSERT(plan->acts.back().pattern.act == Act::kSettle);
  RC_ASSERT(plan->acts.size() >= scenario.draw && plan->acts.size() <= scenario.draw + 2);
}

RC_GTEST_PROP(PlanProperty, OfMoreStepsBeginsLikeThatOfFewer, ()) {
  Scenario scenario = AnyDrawn();
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto longer = MakePlan(scenario, seed, Memory());
  const std::uint32_t kept = scenario.draw = *rc::gen::inRange<std::uint32_t>(1, scenario.draw + 1);
  const auto shorter = MakePlan(scenario, seed, Memory());
  RC_ASSERT(longer.has_value() && shorter.has_value());
  for (std::uint32_t i = 0; i < kept; ++i)
    RC_ASSERT(Describe(longer->acts[i]) == Describe(shorter->acts[i]) &&
              longer->acts[i].pages == shorter->acts[i].pages);
}

TEST(Plan, OfAListIsTheListAsOftenAsItSays) {
  Scenario scenario;
  scenario.rounds = 2;
  scenario.steps = {{.act = Act::kPoison, .pages = 2},
                    {.act = Act::kPause},
                    {.act = Act::kWait, .wait = std::chrono::seconds(3)},
                    {.act = Act::kResume}};
  const auto plan = MakePlan(scenario, 1, Memory());
  ASSERT_TRUE(plan);
  std::vector<std::string> acts;
  for (const PlannedAct& act : plan->acts) acts.push_back(Describe(act));
  const std::vector<std::string> round = {"poison report latent 2 pages", "pause", "wait 3 s",
                                          "resume"};
  std::vector<std::string> expected = round;
  expected.insert(expected.end(), round.begin(), round.end());
  expected.emplace_back("settle");
  EXPECT_EQ(acts, expected);
  EXPECT_EQ(NeededPermissions(*plan), (std::vector{Permission::kMemory, Permission::kMachine}));
}

TEST(Plan, IsPrintedWithEverythingThatChanceDecided) {
  Scenario scenario;
  scenario.pace_max = std::chrono::milliseconds(500);
  scenario.steps = {{.act = Act::kPoison, .pages = 2}, {.act = Act::kReset}};
  const auto plan = MakePlan(scenario, 4711, Memory());
  ASSERT_TRUE(plan);
  // Written down once: other dice would make other plans of seeds that people have noted.
  EXPECT_EQ(Format(*plan),
            "seed 4711\n"
            "   1  +102ms  poison report latent 2 pages 0x41eda000 0x41c19000\n"
            "   2  +246ms  reset\n"
            "   3  +281ms  settle\n");
  EXPECT_NE(Format(*plan), Format(*MakePlan(scenario, 4712, Memory())));
}

TEST(Plan, OfMoreThanHalfOfTheMemoryIsRefused) {
  Scenario scenario;
  scenario.rounds = 9;
  scenario.steps = {{.act = Act::kPoison, .pages = 16}};
  EXPECT_TRUE(MakePlan({.steps = {{.act = Act::kPoison, .pages = 128}}}, 1, Memory(1)));
  const auto plan = MakePlan(scenario, 1, Memory(1));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kLimit);
}

TEST(Plan, TakesTheDomainsMemoryWhereTheScenarioNamesNone) {
  Scenario scenario;
  scenario.memory_start = {kMib};
  EXPECT_EQ(MemoryFor(scenario, 5000), *ByteRange::Make({kMib}, 4096));
  scenario.memory_bytes = 2 * kMib;
  EXPECT_EQ(MemoryFor(scenario, 5000), *ByteRange::Make({kMib}, 2 * kMib));
  scenario.memory_bytes = 0;
  EXPECT_FALSE(MemoryFor(scenario, 0));
}

}  // namespace
}  // namespace seaward::chaos
