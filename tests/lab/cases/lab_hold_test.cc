// What a hold is for: whether anybody is given a bad page between its abort and the guest's
// verdict, without a hold and with one. In the guest: a process dies of its page, and another one
// on the same vCPU waits for just that, to take fresh pages. The guest's kernel dies of clearing
// the bad one in its name (the console has it); that is a reuse. Left in build/bench/hold.json.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kQuestion{60};
constexpr std::chrono::seconds kUntilSilent{30};
// So many reuses without a hold, or so many trials, whichever comes first.
constexpr int kWantedReuses = 20;
constexpr int kMostTrials = 150;
// Pages that the successor is given: what its death gives back lies in front of the victim's page.
constexpr int kSuccessorPages = 128;
// Of a guest that has other things to do than to wait for its agent's messages.
constexpr int kBusyProcesses = 3;

struct Tally {
  int trials = 0;
  int reused = 0;
  int panics = 0;  // among them: of the guest's kernel, which met the page in another's name
  int held = 0;
  int answered = 0;
  int timed_out = 0;
  int answered_and_reused = 0;
};

// Everything is far slower here than on hardware, and so is the hold.
constexpr std::chrono::microseconds kHold{1000000};
// For the share of holds that time out.
constexpr int kShortSeries = 15;

struct Setting {
  unsigned vcpus = 2;
  bool held = false;
  // The agent stays on the first vCPU. Without that the guest's kernel may wake it on the very vCPU
  // that is held, whose being held it cannot know.
  bool agent_apart = true;
};

class Hold : public LabFixture {
 protected:
  // The victim and its successor run on one vCPU; on the first one the command server, which is
  // process 1 and must not be given the page, and who keeps the agent busy.
  void Guest(const Setting& setting) {
    setting_ = setting;
    guest_ = StartGuest({.name = fmt::format("guest{}", ++guests_made_),
                         .vcpus = setting.vcpus,
                         .hold = setting.held ? kHold : std::chrono::microseconds(0)});
    ASSERT_NE(guest_, nullptr);
    Prepare();
  }
  void GuestEnds() {
    EXPECT_TRUE(guest_->Destroy());
    guests_.clear();
  }
  void Prepare() {
    ASSERT_NO_FATAL_FAILURE(Pin(0, 0));
    if (setting_.agent_apart) {
      ASSERT_NO_FATAL_FAILURE(Pin(guest_->status().at("agent_pid").get<pid_t>(), 0));
    }
    for (int i = 0; i < kBusyProcesses; ++i) {
      auto busy = guest_->Ask("victim_start", {{"pages", 1}}, kQuestion);
      ASSERT_TRUE(busy) << busy.error().Text();
      auto loops = guest_->Ask("victim_loop", {{"pid", busy->at("pid")}}, kQuestion);
      ASSERT_TRUE(loops) << loops.error().Text();
    }
    auto lives = guest_->Ask("write", {{"path", "/proc/sys/kernel/panic_on_oops"}, {"text", "0"}},
                             kQuestion);
    ASSERT_TRUE(lives) << lives.error().Text();
  }
  void Pin(pid_t pid, unsigned vcpu) {
    auto pinned = guest_->Ask("pin", {{"pid", pid}, {"cpu", vcpu}}, kQuestion);
    ASSERT_TRUE(pinned) << pinned.error().Text();
  }
  Json Events() {
    auto status = lab_->Seawardctl("status --vm " + guest_->name());
    EXPECT_TRUE(status) << status.error().Text();
    return status ? status->at("vms").at(0).at("events") : Json();
  }

  // One page goes bad, one process dies of it.
  void Try(Tally& tally) {
    const Json before = Events();
    const std::size_t console = lab_->ConsoleSize();
    auto victim = guest_->Ask("victim_start", {{"pages", 1}}, kQuestion);
    ASSERT_TRUE(victim) << victim.error().Text();
    const GuestPhysAddr page{*ParseAddress(victim->at("pages").at(0).get<std::string>())};
    ASSERT_NO_FATAL_FAILURE(Pin(victim->at("pid").get<pid_t>(), setting_.vcpus - 1));
    const auto bad = MakeBad(*guest_, page);
    ASSERT_TRUE(bad) << bad.error().Text();
    auto end = guest_->Ask(
        "victim_succeed",
        {{"pid", victim->at("pid")}, {"pages", kSuccessorPages}, {"waiting", true}}, kUntilSilent);
    bool reused = false;
    if (end) {
      EXPECT_EQ(end->at("signal"), SIGBUS);
      reused = end->at("given").get<bool>();
      const auto recorded = [&] { return lab_->Console(console).external_aborts > 0; };
      EXPECT_TRUE(!reused || testing::WaitUntil(recorded, kQuestion)) << "the guest's own record";
    } else {
      reused = true;
      ++tally.panics;
      ASSERT_GT(lab_->Console(console).panics, 0u) << end.error().Text();
      ASSERT_TRUE(guest_->Reset());  // its other vCPUs may keep it from booting by itself
      ASSERT_TRUE(guest_->WaitUp(kGuestUp));
      ASSERT_NO_FATAL_FAILURE(Prepare());
    }
    ASSERT_NO_FATAL_FAILURE(WaitJudged(page));
    Count(tally, reused, before, Events());
    EXPECT_TRUE(lab_->poison().Heal(page));
    poisoned_.erase(page);
  }
  void Count(Tally& tally, bool reused, const Json& before, const Json& after) {
    const auto more = [&](const char* key) {
      return after.at(key).get<int>() > before.at(key).get<int>();
    };
    const bool answered = more("holds_answered");
    const bool timed_out = more("holds_timed_out");
    ++tally.trials;
    tally.reused += reused ? 1 : 0;
    tally.held += more("holds_begun") ? 1 : 0;
    tally.answered += answered ? 1 : 0;
    tally.timed_out += timed_out ? 1 : 0;
    tally.answered_and_reused += answered && reused ? 1 : 0;
    const char* hold = answered              ? "held until the verdict"
                       : timed_out           ? "held, and told without a verdict"
                       : more("holds_begun") ? "held, without an answer"
                                             : "not held";
    lab_->narrator().Say(
        fmt::format("trial {}: {}, {}", tally.trials, reused ? "REUSED" : "not reused", hold));
  }
  void WaitJudged(GuestPhysAddr page) {
    const auto judged = [&] {
      auto status = lab_->Seawardctl("status --vm " + guest_->name());
      if (!status) return false;
      for (const Json& row : status->at("vms").at(0).at("pages"))
        if (row.at("gpa") == FormatAddress(page.value)) return row.at("outcome").is_string();
      return false;
    };
    ASSERT_TRUE(testing::WaitUntil(judged, kSettles)) << FormatAddress(page.value);
  }
  Tally Race(const Setting& setting, int reuses, int trials) {
    Tally tally;
    Guest(setting);
    while (tally.reused < reuses && tally.trials < trials && !HasFailure()) Try(tally);
    if (!HasFailure()) GuestEnds();
    return tally;
  }
  Json TimeOutsOf(const Setting& setting) {
    const Tally tally = Race(setting, kShortSeries, kShortSeries);
    return {{"vcpus", setting.vcpus},
            {"agent_apart", setting.agent_apart},
            {"held", tally.held},
            {"timed_out", tally.timed_out},
            {"reused", tally.reused}};
  }

  void LeaveReport(const Json& report) {
    const std::string folder = std::string(SEAWARD_SOURCE_DIR) + "/build/bench";
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/hold.json") << report.dump(2) << '\n';
    lab_->narrator().Say(report.dump());
  }

  NestedGuest* guest_ = nullptr;
  Setting setting_;
  int guests_made_ = 0;
};

TEST_F(Hold, KeepsABadPageFromTheNextProcess) {
  const Tally off = Race({}, kWantedReuses, kMostTrials);
  ASSERT_FALSE(HasFailure());
  EXPECT_EQ(off.held, 0);
  const Tally on = Race({.held = true}, kMostTrials, off.trials);
  ASSERT_FALSE(HasFailure());
  Json report{{"hold_us", kHold.count()},
              {"hold_off_trials", off.trials},
              {"hold_off_reused", off.reused},
              {"hold_off_panics", off.panics},
              {"hold_on_trials", on.trials},
              {"hold_on_reused", on.reused},
              {"hold_on_panics", on.panics},
              {"hold_on_held", on.held},
              {"hold_on_with_verdict", on.answered},
              {"hold_on_timed_out", on.timed_out},
              {"hold_on_with_verdict_reused", on.answered_and_reused},
              {"time_outs", Json::array()}};
  LeaveReport(report);
  for (const unsigned vcpus : {2U, 4U}) {
    report["time_outs"].push_back(TimeOutsOf({.vcpus = vcpus, .held = true, .agent_apart = false}));
    ASSERT_FALSE(HasFailure());
    LeaveReport(report);
  }
  EXPECT_EQ(on.held, on.trials);
  EXPECT_EQ(on.held, on.answered + on.timed_out);
  EXPECT_EQ(on.answered_and_reused, 0) << report.dump(1);
  if (off.reused == kWantedReuses) {
    EXPECT_LT(on.reused, off.reused / 2) << "what a hold is good for\n" << report.dump(1);
  } else {
    lab_->narrator().Say("not shown: too few reuses without a hold");
  }
}

}  // namespace
}  // namespace seaward::lab
