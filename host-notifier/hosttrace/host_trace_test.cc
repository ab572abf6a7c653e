#include "host-notifier/hosttrace/host_trace.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "host-notifier/loop/loop_fixture.h"

namespace seaward {
namespace {

using ::testing::ElementsAre;

class HostTraceTest : public LoopTest {
 protected:
  HostTraceTest() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(0, ::pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    ours_.Reset(ends[0]);
    kernel_.Reset(ends[1]);
  }
  void NotifierWatches() {
    auto watched = HostTrace::Watch(
        loop_, std::move(ours_),
        {.failed = [this](const FrameFailure& f) { frames_.push_back(f.frame.number); },
         .lost = [this](std::uint64_t count) { lost_ += count; },
         .ended =
             [this](const Error& why) {
               ended_ = why;
               trace_.reset();
             }});
    ASSERT_TRUE(watched) << watched.error().Text();
    trace_ = std::move(*watched);
  }
  void KernelSays(const std::string& text) {
    ASSERT_EQ(static_cast<ssize_t>(text.size()), ::write(kernel_.get(), text.data(), text.size()));
  }
  static std::string Line(const std::string& frame) {
    return " x-1 [0] 1.0: memory_failure_event: pfn " + frame +
           ": recovery action for free buddy page: Recovered\n";
  }

  UniqueFd ours_;
  UniqueFd kernel_;
  std::vector<std::uint64_t> frames_;
  std::uint64_t lost_ = 0;
  std::optional<Error> ended_;
  std::unique_ptr<HostTrace> trace_;
};

TEST_F(HostTraceTest, HearsWhatWasSaidBeforeAndWhatIsSaidLater) {
  KernelSays(Line("0x11"));
  NotifierWatches();
  RunUntil([this] { return frames_.size() == 1; });
  KernelSays(Line("0x22") + "CPU:0 [LOST 3 EVENTS]\n" + Line("0x33").substr(0, 20));
  RunUntil([this] { return lost_ == 3; });
  KernelSays(Line("0x33").substr(20));
  RunUntil([this] { return frames_.size() == 3; });
  EXPECT_THAT(frames_, ElementsAre(0x11, 0x22, 0x33));
}

TEST_F(HostTraceTest, AStormIsReadInTurns) {
  std::string storm;
  for (int i = 0; i < 500; ++i) storm += Line("0x" + std::to_string(100 + i));
  NotifierWatches();
  KernelSays(storm);
  RunUntil([this] { return frames_.size() == 500; });
}

TEST_F(HostTraceTest, SaysWhenThereIsNoMore) {
  NotifierWatches();
  kernel_.Reset();
  RunUntil([this] { return ended_.has_value(); });
  EXPECT_EQ(ended_->code, ErrorCode::kClosed);
}

}  // namespace
}  // namespace seaward
