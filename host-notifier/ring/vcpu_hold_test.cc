// A vCPU that is held for the guest's verdict: what ends the wait, and what does not.
#include "host-notifier/vmm/vcpu_hold.h"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>
#include <future>
#include <thread>

#include "host-notifier/ring/ring_fixture.h"

namespace seaward::ring {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using vmm::HeldFor;
using vmm::HoldEnd;
using vmm::Waited;

constexpr microseconds kUsual{2000};
constexpr microseconds kForEver{60000000};
constexpr vmm::RingGeometry kGeometry{.lanes = 4, .records_per_lane = 8};

TEST(WaitAtExit, LooksUntilItsPatienceIsOverAndNoLonger) {
  FakeClock clock;
  std::vector<std::chrono::nanoseconds> slices;
  const auto waited = vmm::WaitAtExit(
      milliseconds(2), microseconds(700), nullptr, [&] { return clock.Now(); },
      [&](std::chrono::nanoseconds slice) {
        slices.push_back(slice);
        clock.Advance(slice);
        return false;
      });
  EXPECT_EQ(waited, Waited::kTimedOut);
  EXPECT_EQ(slices, (std::vector<std::chrono::nanoseconds>{microseconds(700), microseconds(700),
                                                           microseconds(600)}));
}

TEST(WaitAtExit, IsNotMovedByTheWallClock) {
  FakeClock clock;
  int looks = 0;
  const auto waited = vmm::WaitAtExit(
      milliseconds(2), milliseconds(1), nullptr, [&] { return clock.Now(); },
      [&](std::chrono::nanoseconds slice) {
        clock.JumpWallClock(looks++ == 0 ? std::chrono::hours(-5) : std::chrono::hours(50));
        clock.Advance(slice);
        return false;
      });
  EXPECT_EQ(waited, Waited::kTimedOut);
  EXPECT_EQ(looks, 2);
}

TEST(IsWorthHolding, IsForProcessesAtAKnownPageWithAnotherVcpuToAnswer) {
  constexpr std::uint64_t el0 = 0x60000000, user32 = 0x10, el1h = 0x60000005, el1t = 4,
                          svc32 = 0x13;
  const vmm::SeaExit located = ExitAt(0x1000);
  vmm::SeaExit unlocated = located;
  unlocated.flags = 0;
  EXPECT_TRUE(vmm::IsWorthHolding(located, el0, 2));
  EXPECT_TRUE(vmm::IsWorthHolding(located, user32, 2));
  EXPECT_FALSE(vmm::IsWorthHolding(located, el0, 1));
  EXPECT_FALSE(vmm::IsWorthHolding(located, el0, 0));
  EXPECT_FALSE(vmm::IsWorthHolding(unlocated, el0, 2));
  for (const auto kernel : {el1h, el1t, svc32})
    EXPECT_FALSE(vmm::IsWorthHolding(located, kernel, 2)) << kernel;
}

class VcpuHold : public RingFixture {
 protected:
  VcpuHold() {
    Start(kGeometry);
    consumer_->Offer(vmm::kOffersVerdicts);
  }
  void VcpuConsumes(std::uint64_t gpa) {
    vmm::SeaExit exit = ExitAt(gpa);
    exit.held = true;
    EXPECT_NE(producer_->Publish(0, exit), vmm::Published::kLost);
  }
  HoldEnd Hold(microseconds patience) {
    return vmm::HoldForVerdict(*producer_, 0, patience, &immediate_exit_, SystemClock());
  }
  // The vCPU's thread: consumes and is held until something ends that.
  void VcpuIsHeldAt(std::uint64_t gpa) {
    VcpuConsumes(gpa);
    vcpu_ = std::jthread([this] { end_.set_value(Hold(kForEver)); });
  }
  HoldEnd End() { return end_.get_future().get(); }
  RingToken Taken() {
    const auto events = Drain();
    EXPECT_EQ(events.size(), 1u);
    EXPECT_TRUE(events.at(0).held);
    return events.at(0).token;
  }
  // As whoever has the ring's memory can.
  std::uint32_t& AnswerWordOfLane() {
    mapping_.emplace(std::move(
        vmm::RingMapping::Map(UniqueFd(::dup(producer_->memory_fd())), vmm::RingBytes(kGeometry))
            .value()));
    return vmm::RingView(mapping_->data(), kGeometry).lane(0).verdict;
  }

  std::uint8_t immediate_exit_ = 0;
  std::optional<vmm::RingMapping> mapping_;
  std::promise<HoldEnd> end_;
  std::jthread vcpu_;
};

TEST_F(VcpuHold, IsOfferedByANotifierThatAnswers) {
  EXPECT_TRUE(producer_->OffersVerdicts());
  EXPECT_FALSE(producer_->OffersHostPages());
  consumer_->Offer(0);
  EXPECT_FALSE(producer_->OffersVerdicts());
}

TEST_F(VcpuHold, EndsAtOnceWithAVerdictThatWasThereBefore) {
  VcpuConsumes(0x1000);
  consumer_->AnswerHeld(Taken(), HeldFor::kVerdict);
  errno = 77;
  EXPECT_EQ(Hold(kForEver), HoldEnd::kVerdict);
  EXPECT_EQ(errno, 77);
}

TEST_F(VcpuHold, IsWokenByTheVerdict) {
  const auto start = std::chrono::steady_clock::now();
  VcpuIsHeldAt(0x1000);
  consumer_->AnswerHeld(Taken(), HeldFor::kVerdict);
  EXPECT_EQ(End(), HoldEnd::kVerdict);
  EXPECT_LT(std::chrono::steady_clock::now() - start, kForEver);
  const auto counters = consumer_->counters();
  EXPECT_EQ(counters.holds_begun, 1u);
  EXPECT_EQ(counters.holds_answered, 1u);
  EXPECT_EQ(counters.holds_timed_out, 0u);
}

TEST_F(VcpuHold, EndsWhenNobodyKnowsOfAVerdictToWaitFor) {
  VcpuIsHeldAt(0x1000);
  consumer_->AnswerHeld(Taken(), HeldFor::kNone);
  EXPECT_EQ(End(), HoldEnd::kNone);
  EXPECT_EQ(consumer_->counters().holds_answered, 0u);
}

TEST_F(VcpuHold, TimesOutAndTakesTheLateVerdictForNoOther) {
  VcpuConsumes(0x1000);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Hold(kUsual), HoldEnd::kTimedOut);
  EXPECT_GE(std::chrono::steady_clock::now() - start, kUsual);
  const RingToken late = Taken();
  VcpuConsumes(0x2000);
  consumer_->AnswerHeld(late, HeldFor::kVerdict);
  EXPECT_EQ(Hold(kUsual), HoldEnd::kTimedOut);
  consumer_->AnswerHeld(Taken(), HeldFor::kVerdict);
  EXPECT_EQ(Hold(kUsual), HoldEnd::kVerdict);
  EXPECT_EQ(consumer_->counters().holds_begun, 3u);
  EXPECT_EQ(consumer_->counters().holds_timed_out, 2u);
}

TEST_F(VcpuHold, OfALostExitIsNone) {
  for (std::uint64_t page = 1; page <= kGeometry.records_per_lane; ++page)
    VcpuConsumes(page * 0x1000);
  vmm::SeaExit exit = ExitAt(0x100000);
  exit.held = true;
  EXPECT_EQ(producer_->Publish(0, exit), vmm::Published::kLost);
  EXPECT_EQ(Hold(kForEver), HoldEnd::kNone);
  EXPECT_EQ(consumer_->counters().holds_begun, 0u);
}

TEST_F(VcpuHold, OutlivesItsNotifier) {
  VcpuConsumes(0x1000);
  Taken();
  consumer_.reset();
  EXPECT_EQ(Hold(kUsual), HoldEnd::kTimedOut);
  NotifierStarts();  // and finds the record again
  consumer_->AnswerHeld(Taken(), HeldFor::kVerdict);
  EXPECT_EQ(Hold(kUsual), HoldEnd::kVerdict);
}

TEST_F(VcpuHold, EndsWhenTheVmmWantsItsThreadBack) {
  immediate_exit_ = 1;
  VcpuConsumes(0x1000);
  EXPECT_EQ(Hold(kForEver), HoldEnd::kInterrupted);
  EXPECT_EQ(consumer_->counters().holds_begun, 1u);
  EXPECT_EQ(consumer_->counters().holds_timed_out, 0u);
}

TEST_F(VcpuHold, EndsWithoutASignalASliceLater) {
  VcpuIsHeldAt(0x1000);
  Taken();
  std::atomic_ref(immediate_exit_).store(1);
  EXPECT_EQ(End(), HoldEnd::kInterrupted);
}

TEST_F(VcpuHold, SurvivesSignalsThatWantNothing) {
  struct sigaction quiet {};
  quiet.sa_handler = [](int) {};
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &quiet, &before), 0);
  VcpuIsHeldAt(0x1000);
  const RingToken token = Taken();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(::pthread_kill(vcpu_.native_handle(), SIGUSR1), 0);
  consumer_->AnswerHeld(token, HeldFor::kVerdict);
  EXPECT_EQ(End(), HoldEnd::kVerdict);
  vcpu_.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(VcpuHold, TakesNoOtherWordForAnAnswer) {
  std::uint32_t& word = AnswerWordOfLane();
  VcpuConsumes(0x1000);
  const std::uint32_t right = vmm::VerdictAnswer(producer_->LastSequence(0), HeldFor::kVerdict);
  for (const std::uint32_t wrong : {right ^ 1u, right ^ 2u, right ^ 4u, right ^ 0x80000000u, ~0u}) {
    word = wrong;
    EXPECT_EQ(Hold(kUsual), HoldEnd::kTimedOut) << wrong;
  }
  EXPECT_EQ(vmm::VerdictAnswer(1, HeldFor::kVerdict), 5u) << "the ABI";
  EXPECT_EQ(producer_->AwaitVerdict(99, 1, kUsual), HeldFor::kUnanswered) << "no lane";
  consumer_->AnswerHeld({.lane = 99, .index = 0}, HeldFor::kVerdict);
}

TEST_F(VcpuHold, IsBoundedAgainstWhoeverNeverStopsWaking) {
  std::uint32_t& word = AnswerWordOfLane();
  VcpuConsumes(0x1000);
  std::jthread hostile([&word](const std::stop_token& stop) {
    for (std::uint32_t garbage = 0x40000000; !stop.stop_requested(); garbage += 4) {
      std::atomic_ref(word).store(garbage);
      ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
  });
  EXPECT_EQ(Hold(kUsual), HoldEnd::kTimedOut);
}

TEST_F(VcpuHold, AsksForItselfWhereAnEarlierExitDidNot) {
  producer_->Publish(0, ExitAt(0x1000));
  vmm::SeaExit exit = ExitAt(0x1000);
  exit.held = true;
  EXPECT_EQ(producer_->Publish(0, exit), vmm::Published::kNew) << "the first record does not ask";
  EXPECT_EQ(producer_->Publish(0, exit), vmm::Published::kCoalesced);
  const auto events = Drain();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_FALSE(events[0].held);
  EXPECT_TRUE(events[1].held);
  EXPECT_EQ(events[1].count, 2u);
  EXPECT_EQ(consumer_->counters().malformed, 0u);
}

}  // namespace
}  // namespace seaward::ring
