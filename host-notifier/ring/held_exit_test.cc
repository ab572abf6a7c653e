// A held vCPU and the notifier: the answer crosses the ring.
#include <gtest/gtest.h>

#include <thread>

#include "host-notifier/ring/ring_fixture.h"

namespace seaward::ring {
namespace {

using std::chrono::milliseconds;
using vmm::HostPage;

constexpr milliseconds kNoWait{0};
constexpr milliseconds kPatience{60000};

class HeldExit : public RingFixture {
 protected:
  std::uint64_t VcpuIsHeldAt(std::uint64_t gpa, std::uint32_t vcpu = 0) {
    vmm::SeaExit exit = ExitAt(gpa);
    exit.injection = vmm::Injection::kNative;
    producer_->Publish(vcpu, exit);
    return producer_->LastSequence(vcpu);
  }
};

TEST_F(HeldExit, IsOfferedAndWithdrawn) {
  Start();
  EXPECT_FALSE(producer_->OffersHostPages());
  consumer_->Offer(vmm::kOffersHostPages);
  EXPECT_TRUE(producer_->OffersHostPages());
  consumer_->Offer(vmm::kOffersVerdicts);
  EXPECT_FALSE(producer_->OffersHostPages());
}

TEST_F(HeldExit, GetsTheAnswerToItsOwnRecord) {
  Start();
  const auto first = VcpuIsHeldAt(0x1000);
  const auto events = Drain();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].injection, vmm::Injection::kNative);
  EXPECT_EQ(producer_->AwaitHostPage(0, first, kNoWait), HostPage::kUnanswered);
  consumer_->AnswerHostPage(events[0].token, HostPage::kRetired);
  EXPECT_EQ(producer_->AwaitHostPage(0, first, kNoWait), HostPage::kRetired);
  const auto second = VcpuIsHeldAt(0x2000);
  EXPECT_EQ(producer_->AwaitHostPage(0, second, kNoWait), HostPage::kUnanswered)
      << "the first one's answer";
  consumer_->AnswerHostPage(Drain().at(0).token, HostPage::kKept);
  EXPECT_EQ(producer_->AwaitHostPage(0, second, kNoWait), HostPage::kKept);
  EXPECT_EQ(producer_->AwaitHostPage(1, first, kNoWait), HostPage::kUnanswered) << "other lane";
}

TEST_F(HeldExit, IsWokenByTheAnswer) {
  Start();
  const auto sequence = VcpuIsHeldAt(0x1000, 2);
  HostPage got = HostPage::kUnanswered;
  std::jthread vcpu([&] { got = producer_->AwaitHostPage(2, sequence, kPatience); });
  const auto start = std::chrono::steady_clock::now();
  consumer_->AnswerHostPage(Drain().at(0).token, HostPage::kRetired);
  vcpu.join();
  EXPECT_EQ(got, HostPage::kRetired);
  EXPECT_LT(std::chrono::steady_clock::now() - start, kPatience);
}

TEST_F(HeldExit, TakesNoOtherWordForAnAnswer) {
  Start();
  const auto sequence = VcpuIsHeldAt(0x1000);
  auto mapping = vmm::RingMapping::Map(UniqueFd(::dup(producer_->memory_fd())),
                                       vmm::RingBytes({.lanes = 4, .records_per_lane = 8}));
  vmm::RingView view(mapping->data(), {.lanes = 4, .records_per_lane = 8});
  const std::uint32_t right = vmm::HostPageAnswer(sequence, HostPage::kRetired);
  for (const std::uint32_t word : {right ^ 2u, right ^ 4u, right ^ 0x80000000u, ~0u, 3u}) {
    view.lane(0).host_page = word;
    EXPECT_EQ(producer_->AwaitHostPage(0, sequence, kNoWait), HostPage::kUnanswered) << word;
  }
  EXPECT_EQ(producer_->AwaitHostPage(99, sequence, kNoWait), HostPage::kUnanswered) << "no lane";
  consumer_->AnswerHostPage({.lane = 99, .index = 0}, HostPage::kRetired);
}

TEST_F(HeldExit, NamesTheRecordThatHoldsTheLastExit) {
  Start({.lanes = 1, .records_per_lane = 2});
  EXPECT_EQ(VcpuIsHeldAt(0x1000), 1u);
  EXPECT_EQ(VcpuIsHeldAt(0x2000), 2u);
  EXPECT_EQ(VcpuIsHeldAt(0x1000), 1u) << "counted in the first record";
  EXPECT_EQ(VcpuIsHeldAt(0x3000), 0u) << "lost";
  producer_->Publish(0, ExitAt(0x1000));
  EXPECT_EQ(producer_->LastSequence(0), 0u) << "not held: no repeat of a held one, and no room";
}

TEST_F(HeldExit, ThatWasToldInAnotherWayIsCounted) {
  Start();
  producer_->CountNativeFallback(1);
  VcpuIsHeldAt(0x1000, 1);
  Drain();
  EXPECT_EQ(consumer_->counters().native_fallbacks, 1u);
}

}  // namespace
}  // namespace seaward::ring
