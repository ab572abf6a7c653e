#include "guest-agent/boot/early_stage.h"

#include <gtest/gtest.h>

#include "base/fake_clock.h"

namespace seaward::agent {
namespace {

using std::chrono::milliseconds;

class EarlyStageTest : public testing::Test {
 protected:
  FakeClock clock_;
  EarlyStage stage_{{milliseconds(500), milliseconds(5000)}, clock_.Now()};
};

TEST_F(EarlyStageTest, AMachineWithoutTheDeviceIsNotKeptWaiting) {
  EXPECT_EQ(stage_.Ended({}, clock_.Now()), EarlyEnd::kNoPort);
}

TEST_F(EarlyStageTest, APortMayGetItsNameLate) {
  const EarlyView view{.console_device = true};
  EXPECT_FALSE(stage_.Ended(view, clock_.Now()));
  clock_.Advance(milliseconds(500));
  EXPECT_EQ(stage_.Ended(view, clock_.Now()), EarlyEnd::kNoPort);
}

TEST_F(EarlyStageTest, ASilentHostDelaysTheBootByTheWaitAndNoMore) {
  const EarlyView view{.console_device = true, .port_open = true};
  EXPECT_EQ(stage_.Deadline(view), clock_.Now() + milliseconds(500));
  clock_.Advance(milliseconds(499));
  EXPECT_FALSE(stage_.Ended(view, clock_.Now()));
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(stage_.Ended(view, clock_.Now()), EarlyEnd::kHostSilent);
}

TEST_F(EarlyStageTest, AHostThatSpokeIsHeardToTheEndWithinTheLimit) {
  EarlyView view{.console_device = true, .port_open = true, .host_answered = true};
  clock_.Advance(milliseconds(600));
  EXPECT_FALSE(stage_.Ended(view, clock_.Now()));
  view.settled = true;
  EXPECT_EQ(stage_.Ended(view, clock_.Now()), EarlyEnd::kSettled);
  view.settled = false;
  clock_.Advance(milliseconds(4400));
  EXPECT_EQ(stage_.Ended(view, clock_.Now()), EarlyEnd::kLimitReached);
}

}  // namespace
}  // namespace seaward::agent
