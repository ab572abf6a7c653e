// Schedules: the same from the same seed on every machine, readable back, shrinkable.
#include "tests/chaos/plan/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/dice.h"
#include "tests/chaos/plan/shrink.h"

namespace seaward::chaos {
namespace {

TEST(Dice, ThrowsWhatTheStandardSaysOfTheEngine) {
  // The 10000th value of a default-seeded mt19937_64 is fixed by the C++ standard.
  Dice dice(std::mt19937_64::default_seed);
  for (int i = 1; i < 10000; ++i) dice.Word();
  EXPECT_EQ(dice.Word(), 9981545732273789042ULL);
}

TEST(Dice, ReachesEverySideAndNoOther) {
  Dice dice(1);
  std::map<std::uint64_t, int> thrown;
  for (int i = 0; i < 6000; ++i) ++thrown[dice.Below(6)];
  ASSERT_EQ(thrown.size(), 6U);
  for (const auto& [side, times] : thrown) {
    EXPECT_LT(side, 6U);
    EXPECT_NEAR(times, 1000, 150) << side;
  }
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t between = dice.Between(3, 5);
    EXPECT_TRUE(between >= 3 && between <= 5) << between;
  }
}

TEST(Step, TableNamesEveryKindOnceInTheOrderOfTheEnum) {
  std::size_t at = 0;
  std::map<std::string_view, int> names;
  for (const StepTraits& traits : AllSteps()) {
    EXPECT_EQ(static_cast<std::size_t>(traits.kind), at++) << traits.name;
    ++names[traits.name];
    EXPECT_TRUE(traits.in_ring || traits.in_libvirt) << traits.name;
  }
  EXPECT_EQ(at, static_cast<std::size_t>(StepKind::kSettle) + 1);
  EXPECT_EQ(names.size(), at);
}

TEST(Schedule, IsMadeOfItsSeedAlone) {
  EXPECT_EQ(MakeSchedule(7, 40), MakeSchedule(7, 40));
  EXPECT_NE(MakeSchedule(7, 40).steps, MakeSchedule(8, 40).steps);
  // Written down once: a change of the table or of the dice makes other schedules of old seeds.
  EXPECT_EQ(Format(MakeSchedule(1, 4)),
            "seed 1\n"
            "world libvirt\n"
            "poison_kernel_text 28628\n"
            "kill_notifier 86848\n"
            "clock_jump 23776\n"
            "poison_user 2277\n");
}

TEST(Schedule, OfALongerRunBeginsLikeTheShorterOne) {
  const Schedule short_one = MakeSchedule(11, 10);
  Schedule long_one = MakeSchedule(11, 50);
  long_one.steps.resize(10);
  EXPECT_EQ(short_one, long_one);
}

TEST(Schedule, DrawsEveryStepOfItsWorldAndNoOther) {
  std::map<World, std::map<StepKind, int>> drawn;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Schedule schedule = MakeSchedule(seed, 60);
    for (const Step& step : schedule.steps) ++drawn[schedule.world][step.kind];
  }
  for (const World world : {World::kRing, World::kLibvirt})
    for (const StepTraits& traits : AllSteps())
      EXPECT_EQ(drawn[world].contains(traits.kind), MeansSomethingIn(traits.kind, world))
          << ToString(world) << " " << traits.name;
}

TEST(Schedule, ContinuesWhatStandsStillAndStopsWhatRuns) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    bool stopped = false;
    bool dead = false;
    StepKind before = StepKind::kSettle;
    for (const Step& step : MakeSchedule(seed, 60).steps) {
      if (step.kind == StepKind::kStopNotifier) {
        EXPECT_FALSE(stopped || dead) << seed;
        stopped = true;
      }
      if (step.kind == StepKind::kContinueNotifier) {
        EXPECT_TRUE(stopped) << seed;
        stopped = false;
      }
      if (step.kind == StepKind::kStartNotifier) {
        EXPECT_TRUE(dead) << seed;
        dead = false;
      }
      if (step.kind == StepKind::kKillNotifier) {
        EXPECT_FALSE(dead) << seed;
        dead = true;
        stopped = false;
      }
      if (step.kind == StepKind::kSettle) {
        EXPECT_NE(before, StepKind::kSettle) << seed;
        stopped = dead = false;
      }
      before = step.kind;
    }
  }
}

TEST(Schedule, IsReadBackAsItWasPrinted) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Schedule schedule = MakeSchedule(seed, 30);
    const auto read = ParseSchedule(Format(schedule));
    ASSERT_TRUE(read.has_value()) << read.error().Text();
    EXPECT_EQ(*read, schedule);
  }
}

TEST(Schedule, NamesTheLineThatItCannotRead) {
  const std::pair<const char*, const char*> wrong[] = {
      {"seed x\n", "line 1: no seed"},
      {"seed 1\nworld moon\n", "line 2: no world is called 'moon'"},
      {"seed 1\n\nkill_everything 3\n", "line 3: no step: 'kill_everything 3'"},
      {"kill_agent\n", "line 1: no step: 'kill_agent'"},
      {"kill_agent 3x\n", "line 1: no number: 'kill_agent 3x'"},
      {"kill_agent 4294967296\n", "line 1: no number: 'kill_agent 4294967296'"},
      {"world libvirt\nflood 1\n", "line 2: means nothing in this world: flood 1"},
  };
  for (const auto& [text, why] : wrong) {
    const auto read = ParseSchedule(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().context, why);
  }
}

// Fails when all of `needed` are there, in that order.
struct FailsWith {
  std::vector<Step> needed;
  int runs = 0;
  bool operator()(const std::vector<Step>& steps) {
    ++runs;
    auto at = needed.begin();
    for (const Step& step : steps)
      if (at != needed.end() && step == *at) ++at;
    return at == needed.end();
  }
};

constexpr auto kForEver = [] { return true; };

TEST(Shrink, LeavesJustTheStepsThatAreNeeded) {
  const std::vector<Step> steps = MakeSchedule(3, 60).steps;
  for (const auto& places : std::vector<std::vector<std::size_t>>{
           {0}, {59}, {30}, {0, 59}, {7, 8, 9}, {3, 20, 41, 58}}) {
    FailsWith fails;
    for (const std::size_t place : places) fails.needed.push_back(steps[place]);
    ASSERT_TRUE(fails(steps));
    EXPECT_EQ(Shrink(steps, std::ref(fails), kForEver), fails.needed);
    EXPECT_LT(fails.runs, 120) << "of 2^60 subsets";
  }
}

TEST(Shrink, LeavesNothingOfWhatFailsAnyhow) {
  const auto always = [](const std::vector<Step>&) { return true; };
  EXPECT_TRUE(Shrink(MakeSchedule(3, 17).steps, always, kForEver).empty());
}

TEST(Shrink, KeepsWhatFailedLastWhenTheTimeIsOver) {
  const std::vector<Step> steps = MakeSchedule(3, 32).steps;
  FailsWith fails;
  fails.needed = {steps[1], steps[30]};
  int left = 6;
  const auto shrunk = Shrink(steps, std::ref(fails), [&] { return left-- > 0; });
  EXPECT_EQ(fails.runs, 6);
  EXPECT_TRUE(fails(shrunk));
  EXPECT_LT(shrunk.size(), steps.size());
}

}  // namespace
}  // namespace seaward::chaos
