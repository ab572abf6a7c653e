// Runs against a VM and a notifier of a few lines: what is done, in which order, and what is told
// of it.
#include "host-notifier/chaos/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host-notifier/chaos/chaos_fakes_fixture.h"
#include "host-notifier/chaos/progress.h"

namespace seaward::chaos {
namespace {

using std::chrono_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr GuestPhysAddr kOne{0x40001000};
constexpr GuestPhysAddr kTwo{0x40002000};

PlannedAct Doing(Act act) {
  return {.pattern = {.act = act, .wait = 2s}, .pause_before = {}, .pages = {}};
}
PlannedAct Poisoning(std::vector<GuestPhysAddr> pages, PoisonWay way = PoisonWay::kReport) {
  return {
      .pattern = {.act = Act::kPoison, .way = way}, .pause_before = {}, .pages = std::move(pages)};
}

class RunnerTest : public ::testing::Test {
 protected:
  RunRecord Play(std::vector<PlannedAct> acts) {
    Runner runner(host_, host_, waiting_, nullptr);
    auto run = runner.Play({.seed = 7, .acts = std::move(acts)}, 30s,
                           {.scenario = "s.yaml", .about = "x", .vm = "web", .vm_uuid = "u"});
    EXPECT_TRUE(run) << run.error().Text();
    return run ? *run : RunRecord{};
  }
  static bool Held(const RunRecord& run, const std::string& name) {
    for (const CheckRecord& check : run.checks)
      if (check.name == name) return check.held;
    ADD_FAILURE() << "no check " << name;
    return false;
  }

  FakeHost host_;
  FakeWaiting waiting_;
};

TEST_F(RunnerTest, DoesWhatThePlanSaysInItsOrder) {
  const RunRecord run =
      Play({Poisoning({kOne}), Poisoning({kTwo}, PoisonWay::kGuestInject), Doing(Act::kPause),
            Doing(Act::kResume), Doing(Act::kKillAgent), Doing(Act::kReboot),
            Poisoning({{0x5000}}, PoisonWay::kHostFrame), Doing(Act::kSettle)});
  EXPECT_THAT(host_.done,
              ElementsAre("tell 0x40001000", "inject 0x40002000", "tell 0x40002000", "pause",
                          "resume", "kill_agent", "reboot", "host_frame 0x5000", "tell 0x5000"));
  EXPECT_TRUE(run.Passed());
  EXPECT_EQ(run.news_told, 3U);
  ASSERT_EQ(run.pages.size(), 3U);
  EXPECT_EQ(run.pages[0].life, "retired");
  EXPECT_EQ(run.pages[0].exposure_us, 1500U);
  ASSERT_TRUE(run.pages[2].final_at);
  EXPECT_GE(*run.pages[2].final_at, run.pages[2].bad_at);
}

TEST_F(RunnerTest, ABootPutsEveryPageBackToWorkAndSettlingWaitsForIt) {
  const RunRecord run =
      Play({Poisoning({kOne}), Doing(Act::kSettle), Doing(Act::kReset), Doing(Act::kSettle)});
  ASSERT_EQ(run.boots.size(), 1U);
  EXPECT_EQ(run.boots[0].boot_id, "boot2");
  ASSERT_TRUE(run.pages[0].final_at);
  EXPECT_GT(*run.pages[0].final_at, run.boots[0].at);
  EXPECT_TRUE(run.Passed());
}

TEST_F(RunnerTest, NewsWaitForANotifierThatIsAway) {
  const RunRecord run = Play({Doing(Act::kKillNotifier), Poisoning({kOne}), Doing(Act::kSettle)});
  EXPECT_EQ(run.acts[0].end, ActEnd::kDone);
  EXPECT_GE(run.acts[0].took, std::chrono::milliseconds(500)) << "it came back at once";
  EXPECT_EQ(run.news_told, 1U);
  EXPECT_TRUE(run.Passed());
}

TEST_F(RunnerTest, ANotifierThatStaysAwayIsAFailure) {
  waiting_.on_sleep = [this] { host_.away = host_.away > 0 ? 5 : 0; };
  const RunRecord run = Play({Doing(Act::kKillNotifier), Poisoning({kOne})});
  EXPECT_EQ(run.acts[0].end, ActEnd::kFailed);
  EXPECT_EQ(run.acts[0].detail, "the notifier did not come back");
  EXPECT_EQ(run.news_refused, 1U);
  EXPECT_FALSE(Held(run, "ledger"));
  EXPECT_FALSE(run.Passed());
}

TEST_F(RunnerTest, NewsThatTheNotifierTookAndForgotAreSilentLosses) {
  host_.forgets = true;
  const RunRecord run = Play({Poisoning({kOne, kTwo}), Doing(Act::kSettle)});
  EXPECT_FALSE(Held(run, "one_row"));
  EXPECT_FALSE(Held(run, "losses_counted"));
  EXPECT_EQ(run.losses_silent, 2U);
  EXPECT_FALSE(run.Passed());
}

TEST_F(RunnerTest, LossesThatTheNotifierCountsAreNoSilentOnes) {
  host_.lost = 5;  // before the run: not ours
  host_.forgets = true;
  waiting_.on_sleep = [this] { host_.lost = 7; };
  const RunRecord run = Play({Poisoning({kOne, kTwo}), Doing(Act::kWait)});
  EXPECT_EQ(run.losses_counted, 2U);
  EXPECT_EQ(run.losses_silent, 0U);
  EXPECT_TRUE(Held(run, "losses_counted"));
}

TEST_F(RunnerTest, TwoRowsOfOnePageAreFound) {
  host_.twice = true;
  const RunRecord run = Play({Poisoning({kOne}), Doing(Act::kSettle)});
  EXPECT_FALSE(Held(run, "one_row"));
  EXPECT_EQ(run.checks[0].detail, "0x40001000: 2 rows");
}

TEST_F(RunnerTest, APageWithoutAVerdictIsFoundAndSettlingGivesUp) {
  host_.looks_to_verdict = 1'000'000;
  const RunRecord run = Play({Poisoning({kOne}), Doing(Act::kSettle)});
  EXPECT_EQ(run.acts[1].end, ActEnd::kFailed);
  EXPECT_THAT(run.acts[1].detail, HasSubstr("1 pages without a final verdict"));
  EXPECT_GE(run.acts[1].took, 30s);
  EXPECT_FALSE(Held(run, "verdict"));
}

TEST_F(RunnerTest, WhatIsNotPossibleIsSkippedAndSaid) {
  host_.cannot["inject"] = {ErrorCode::kUnsupported, 0, "no hwpoison-inject"};
  const RunRecord run =
      Play({Poisoning({kOne}, PoisonWay::kGuestInject), Poisoning({kTwo}), Doing(Act::kSettle)});
  EXPECT_EQ(run.acts[0].end, ActEnd::kSkipped);
  EXPECT_EQ(run.acts[0].detail, "no hwpoison-inject");
  EXPECT_THAT(host_.done, ElementsAre("tell 0x40002000"));
  EXPECT_TRUE(run.Passed()) << "nothing that is possible was left undone";
}

TEST_F(RunnerTest, WhatFailedIsSaidAndTheRunGoesOn) {
  host_.cannot["pause"] = {ErrorCode::kIo, 0, "libvirt says no"};
  const RunRecord run = Play({Doing(Act::kPause), Doing(Act::kResume), Poisoning({kOne})});
  EXPECT_EQ(run.acts[0].end, ActEnd::kFailed);
  EXPECT_EQ(run.acts[1].end, ActEnd::kSkipped) << "it was never paused";
  EXPECT_THAT(host_.done, ElementsAre("tell 0x40001000"));
  EXPECT_FALSE(run.Passed());
}

TEST_F(RunnerTest, AnInterruptedRunLetsTheVmGo) {
  int sleeps = 0;
  waiting_.on_sleep = [&] { waiting_.interrupted = ++sleeps >= 2; };
  const RunRecord run = Play({Doing(Act::kPause), Doing(Act::kWait), Poisoning({kOne})});
  EXPECT_THAT(host_.done, ElementsAre("pause", "resume"));
  EXPECT_TRUE(run.interrupted);
  EXPECT_FALSE(run.Passed());
}

TEST_F(RunnerTest, NewsThatAreWrongAreNotToldAgain) {
  host_.refuses = true;
  const RunRecord run = Play({Poisoning({kOne})});
  EXPECT_EQ(run.acts[0].end, ActEnd::kFailed);
  EXPECT_LT(run.acts[0].took, 1s);
  EXPECT_EQ(run.news_refused, 1U);
}

TEST_F(RunnerTest, DoesNotBeginWithoutANotifier) {
  host_.away = 100;
  Runner runner(host_, host_, waiting_, nullptr);
  const auto run = runner.Play({.seed = 1, .acts = {Poisoning({kOne})}}, 30s, {});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().code, ErrorCode::kClosed);
  EXPECT_TRUE(host_.done.empty());
}

TEST_F(RunnerTest, TheProgressLineSaysHowFarItIs) {
  std::vector<std::string> lines;
  Runner runner(host_, host_, waiting_, [&](const RunRecord& run, std::size_t act) {
    lines.push_back(ProgressLine(run, act, 12, std::chrono::milliseconds(61'500)));
  });
  ASSERT_TRUE(runner.Play({.seed = 1, .acts = {Poisoning({kOne}), Doing(Act::kSettle)}}, 30s, {}));
  EXPECT_EQ(lines.front(),
            "[ 1/12] 1:01 poison report latent 1 page; 0 bad pages, 0 at rest; 0 boots");
  EXPECT_EQ(lines.back(), "[ 2/12] 1:01 settle; 1 bad pages, 1 at rest; 0 boots");
}

}  // namespace
}  // namespace seaward::chaos
