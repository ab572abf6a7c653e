// The whole chain on real exits of a stock kernel (tests/lab/README.md). One emulated host serves
// all cases; each case starts a guest of its own in it. A case without a guarded guest differs from
// its sibling by the agent alone.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <random>

#include "base/file_io.h"
#include "tests/lab/story/host_scenes.h"
#include "tests/support/child_process.h"

namespace seaward::lab {
namespace {

std::uint64_t SeedOfRun() {
  const char* given = std::getenv("SEAWARD_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

class LabTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::string work = std::string(SEAWARD_SOURCE_DIR) + "/build/lab";
    auto started = Lab::Start(work, stdout);
    auto surveyed = started ? (*started)->SurveyFrames(SeedOfRun()) : Forward(started);
    if (surveyed) {
      lab_ = started->release();
    } else {
      error_ = new Error(surveyed.error());
    }
  }
  static void TearDownTestSuite() {
    delete lab_;
    delete error_;
    lab_ = nullptr;
  }

  void SetUp() override {
    ASSERT_NE(lab_, nullptr) << error_->Text();
    lab_->narrator().Chapter(::testing::UnitTest::GetInstance()->current_test_info()->name());
  }
  void TearDown() override {
    if (lab_ == nullptr) return;
    if (guest_) {
      EXPECT_TRUE(guest_->Destroy());
    }
    if (poisoned_) {
      EXPECT_TRUE(lab_->poison().Heal(victim_.page));
    }
  }

  void StartGuest(const GuestPlan& plan) {
    auto guest = NestedGuest::Create(lab_->host(), plan);
    ASSERT_TRUE(guest) << guest.error().Text();
    guest_ = std::move(*guest);
    const auto up = guest_->WaitUp(kGuestUp);
    ASSERT_TRUE(up) << up.error().Text();
  }
  void TakeGuest(SurveyedGuest surveyed) {
    guest_ = std::move(surveyed.guest);
    victim_ = surveyed.victim;
    ASSERT_NE(guest_, nullptr);
  }
  // With the frame that the others had; or with another page, where this guest's kernel has that
  // one in use, which it then mostly has in every boot.
  void StartGuestWithVictim(const GuestPlan& plan) {
    ASSERT_NO_FATAL_FAILURE(StartGuest(plan));
    auto victim = StartVictim(*lab_, *guest_, {.at = lab_->frame()});
    if (!victim) victim = StartVictim(*lab_, *guest_, {});
    ASSERT_TRUE(victim) << victim.error().Text();
    victim_ = *victim;
  }
  void ProcessConsumesPoison() {
    auto consumed = ConsumePoison(*lab_, *guest_, victim_);
    ASSERT_TRUE(consumed) << consumed.error().Text();
    poisoned_ = true;
    EXPECT_GE(consumed->aborts, 1u);
    EXPECT_EQ(consumed->victim_signal, SIGBUS);
    EXPECT_TRUE(consumed->kernel_alive);
  }
  void ExpectRetired() {
    const auto retired = WaitRetired(*lab_, *guest_, victim_.page);
    ASSERT_TRUE(retired) << retired.error().Text();
  }
  void ExpectRetiredBeforeInit(BootOrder order) {
    auto boot = BootAgain(*lab_, *guest_, victim_.page, order);
    ASSERT_TRUE(boot) << boot.error().Text();
    EXPECT_TRUE(boot->up);
    EXPECT_TRUE(boot->early_stage_ran);
    EXPECT_GT(boot->workload.pages, 0u) << "the new boot cannot use its memory";
    EXPECT_FALSE(boot->workload.bad_frame_given);
    EXPECT_EQ(boot->aborts, 0u) << "the page was touched in the new boot";
  }

  static Lab* lab_;
  static Error* error_;
  std::unique_ptr<NestedGuest> guest_;
  Victim victim_;
  bool poisoned_ = false;
};
Lab* LabTest::lab_ = nullptr;
Error* LabTest::error_ = nullptr;

TEST_F(LabTest, PoisonIsConsumedOnceAndThePageIsRetiredInGuestAndHost) {
  ASSERT_NO_FATAL_FAILURE(TakeGuest(lab_->TakeGuarded()));
  ASSERT_NO_FATAL_FAILURE(ProcessConsumesPoison());
  ASSERT_NO_FATAL_FAILURE(ExpectRetired());
  const std::uint64_t before = lab_->AbortsOnFrame();
  auto handout = TakeAllMemory(*lab_, *guest_, lab_->frame());
  ASSERT_TRUE(handout) << handout.error().Text();
  EXPECT_FALSE(handout->bad_frame_given);
  EXPECT_EQ(lab_->AbortsOnFrame(), before) << "somebody touched the retired page";
  const auto corrupted = CorruptedInHost(*lab_);
  ASSERT_TRUE(corrupted) << corrupted.error().Text();
  ASSERT_TRUE(guest_->Destroy());
  guest_.reset();
  const auto in_host = WaitRetiredInHost(*lab_, *corrupted);
  EXPECT_TRUE(in_host) << in_host.error().Text();
}

TEST_F(LabTest, WithoutAnAgentThePageComesBackAndTheGuestBootsInALoop) {
  ASSERT_NO_FATAL_FAILURE(TakeGuest(lab_->TakeControl()));
  ASSERT_TRUE(guest_->Resume());
  ASSERT_NO_FATAL_FAILURE(ProcessConsumesPoison());
  auto downfall = WatchDownfall(*lab_, *guest_, 3);
  ASSERT_TRUE(downfall) << downfall.error().Text();
  EXPECT_EQ(downfall->outcome, "boot_loop");
  EXPECT_GE(downfall->in_clear_page, 1u);
}

TEST_F(LabTest, ThePageIsRetiredBeforeInitAfterResetAndReboot) {
  ASSERT_NO_FATAL_FAILURE(StartGuestWithVictim({.name = "reboots"}));
  ASSERT_NO_FATAL_FAILURE(ProcessConsumesPoison());
  ASSERT_NO_FATAL_FAILURE(ExpectRetired());
  ASSERT_NO_FATAL_FAILURE(ExpectRetiredBeforeInit(BootOrder::kReset));
  ASSERT_NO_FATAL_FAILURE(ExpectRetiredBeforeInit(BootOrder::kRebootFromInside));
}

// The last one: it ends poisoner and notifier, and reads what they left.
TEST_F(LabTest, AtTheEndTheCountsAgreeAndEverythingIsPutBack) {
  auto farewell = lab_->poison().FinishBySignal(SIGTERM);
  ASSERT_TRUE(farewell) << farewell.error().Text();
  EXPECT_EQ(farewell->exit_code, 0);
  EXPECT_NE(farewell->last_line.find("patch_removed=true"), std::string::npos);
  ASSERT_TRUE(lab_->notifier().Stop());

  const std::string folder = lab_->host().WorkPath("");
  auto derived = seaward::testing::RunToEnd({SEAWARD_SOURCE_DIR "/tests/lab/derive-report", folder},
                                            std::chrono::minutes(1));
  ASSERT_TRUE(derived);
  EXPECT_EQ(derived->end.exit_code, 0) << derived->out << derived->err;
  auto text = ReadTextFile(folder + "report.json", 1u << 20);
  ASSERT_TRUE(text);
  const Json report = Json::parse(*text);
  EXPECT_GE(report.at("exits_seen").get<int>(), 3);
  EXPECT_EQ(report.at("exits_seen"), report.at("exits_observed"));
  EXPECT_EQ(report.at("exits_seen"), report.at("exits_to_userspace"));
  EXPECT_EQ(report.at("host_kernel"), lab_->host().kernel());
}

}  // namespace
}  // namespace seaward::lab
