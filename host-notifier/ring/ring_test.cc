#include <gtest/gtest.h>
#include <sys/mman.h>

#include <set>

#include "host-notifier/ring/ring_fixture.h"

namespace seaward::ring {
namespace {

using vmm::Published;

class Ring : public RingFixture {};

TEST_F(Ring, CarriesEveryFieldOfAnExit) {
  Start();
  vmm::SeaExit exit = ExitAt(0x48048000);
  exit.when = clock_.Now() - std::chrono::microseconds(7);
  EXPECT_EQ(producer_->Publish(2, exit), Published::kNew);
  const auto events = Drain();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].when, exit.when);
  EXPECT_EQ(events[0].vcpu, 2u);
  EXPECT_EQ(events[0].flags, exit.flags);
  EXPECT_EQ(events[0].esr, exit.esr);
  EXPECT_EQ(events[0].gva, exit.gva);
  EXPECT_EQ(events[0].gpa, exit.gpa);
  EXPECT_EQ(events[0].hva, exit.hva);
  EXPECT_EQ(events[0].backing_page_size, 4096u);
  EXPECT_EQ(events[0].count, 1u);
  EXPECT_EQ(events[0].injection, vmm::Injection::kKvm);
  EXPECT_FALSE(events[0].walked);
  EXPECT_TRUE(Drain().empty());
}

TEST_F(Ring, TellsAWalkedAddressFromKvmsOwn) {
  Start();
  vmm::SeaExit exit = ExitAt(0x48048000);
  exit.flags = 0;
  exit.esr = 0x92000017;
  exit.injection = vmm::Injection::kExact;
  producer_->Publish(0, exit);
  exit.walked = true;
  EXPECT_EQ(producer_->Publish(0, exit), Published::kNew);
  EXPECT_EQ(producer_->Publish(0, exit), Published::kCoalesced);
  const auto events = Drain();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_FALSE(events[0].walked);
  EXPECT_TRUE(events[1].walked);
  EXPECT_EQ(events[1].injection, vmm::Injection::kExact);
  EXPECT_EQ(events[1].backing_page_size, 4096u);
  EXPECT_EQ(consumer_->counters().malformed, 0u);
}

TEST_F(Ring, RingsTheDoorbellOnlyForASleeper) {
  Start();
  EXPECT_TRUE(Drain().empty());
  EXPECT_FALSE(DoorbellRang());
  producer_->Publish(0, ExitAt(0x1000));
  EXPECT_TRUE(DoorbellRang());
  EXPECT_EQ(Drain(1).size(), 1u);  // awake: there may be more
  producer_->Publish(0, ExitAt(0x2000));
  EXPECT_FALSE(DoorbellRang());
  EXPECT_EQ(Drain().size(), 1u);
  producer_->Publish(0, ExitAt(0x3000));
  EXPECT_TRUE(DoorbellRang());
}

TEST_F(Ring, AStormOnOnePageWakesNobodyForAWhile) {
  Start();
  Drain();
  const auto publish = [&](std::uint64_t page) {
    vmm::SeaExit exit = ExitAt(page);
    exit.when = clock_.Now();
    producer_->Publish(0, exit);
    const bool rang = DoorbellRang();
    for (const RingEvent& event : Drain()) consumer_->Release(event.token);
    return rang;
  };
  for (std::uint32_t i = 0; i <= vmm::kPromptRepeats; ++i) EXPECT_TRUE(publish(0x1000)) << i;
  EXPECT_FALSE(publish(0x1000));
  EXPECT_TRUE(publish(0x2000)) << "news";
  for (std::uint32_t i = 0; i < vmm::kPromptRepeats; ++i) EXPECT_TRUE(publish(0x2000)) << i;
  EXPECT_FALSE(publish(0x2000));
  clock_.Advance(vmm::kLookAgain);
  EXPECT_TRUE(publish(0x2000));
  EXPECT_FALSE(publish(0x2000));
  EXPECT_EQ(consumer_->counters().taken, 2 * vmm::kPromptRepeats + 6u) << "none is lost";
}

TEST_F(Ring, AHeldVcpuAlwaysRings) {
  Start();
  vmm::SeaExit exit = ExitAt(0x1000);
  exit.injection = vmm::Injection::kNative;
  for (std::uint32_t i = 0; i < 2 * vmm::kPromptRepeats; ++i) {
    Drain();
    producer_->Publish(0, exit);
    EXPECT_TRUE(DoorbellRang()) << i;
  }
}

TEST_F(Ring, FreesASlotOnlyWhenToldSo) {
  Start({.lanes = 1, .records_per_lane = 2});
  producer_->Publish(0, ExitAt(0x1000));
  producer_->Publish(0, ExitAt(0x2000));
  const auto events = Drain();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(producer_->Publish(0, ExitAt(0x3000)), Published::kLost);
  EXPECT_EQ(consumer_->counters().lost, 1u);
  consumer_->Release(events[1].token);  // the first still holds the lane's end
  EXPECT_EQ(producer_->Publish(0, ExitAt(0x3000)), Published::kLost);
  consumer_->Release(events[0].token);
  consumer_->Release(events[0].token);
  EXPECT_EQ(producer_->counters().waiting, 0u);
  EXPECT_EQ(producer_->Publish(0, ExitAt(0x3000)), Published::kNew);
  EXPECT_EQ(producer_->Publish(0, ExitAt(0x4000)), Published::kNew);
  EXPECT_EQ(Drain().size(), 2u);
}

TEST_F(Ring, CountsRepeatsUntilTheRecordIsTaken) {
  Start();
  EXPECT_EQ(producer_->Publish(0, ExitAt(0x1000)), Published::kNew);
  EXPECT_EQ(producer_->Publish(0, ExitAt(0x2000)), Published::kNew);
  EXPECT_EQ(producer_->Publish(0, ExitAt(0x1800)), Published::kCoalesced);
  EXPECT_EQ(producer_->Publish(1, ExitAt(0x1000)), Published::kNew);  // another vCPU
  vmm::SeaExit other_fact = ExitAt(0x1000);
  other_fact.esr = 0x92000050;
  EXPECT_EQ(producer_->Publish(0, other_fact), Published::kNew);
  auto events = Drain();
  ASSERT_EQ(events.size(), 4u);
  std::uint64_t exits = 0;
  for (const RingEvent& event : events) exits += event.count;
  EXPECT_EQ(exits, 5u);
  EXPECT_EQ(consumer_->counters().coalesced, 1u);
  // Taken, though not released: a repeat is news again.
  EXPECT_EQ(producer_->Publish(0, ExitAt(0x1000)), Published::kNew);
  EXPECT_EQ(Drain().size(), 1u);
}

TEST_F(Ring, ServesLanesInTurn) {
  Start();
  for (std::uint64_t page = 1; page <= 8; ++page)
    for (std::uint32_t vcpu = 0; vcpu < 3; ++vcpu) producer_->Publish(vcpu, ExitAt(page * 4096));
  std::vector<std::uint32_t> order;
  while (order.size() < 9)
    for (const RingEvent& event : Drain(2)) order.push_back(event.vcpu);
  EXPECT_EQ(std::vector(order.begin(), order.begin() + 9),
            (std::vector<std::uint32_t>{0, 1, 2, 0, 1, 2, 0, 1, 2}));
}

TEST_F(Ring, GivesARestartedNotifierWhatWasNeverReleased) {
  Start();
  for (std::uint64_t page = 1; page <= 3; ++page) producer_->Publish(0, ExitAt(page * 4096));
  const auto taken = Drain();
  ASSERT_EQ(taken.size(), 3u);
  consumer_->Release(taken[0].token);
  producer_->Publish(0, ExitAt(0x9000));
  NotifierStarts();
  const auto again = Drain();
  ASSERT_EQ(again.size(), 3u);
  EXPECT_EQ(again[0].gpa.value, 0x2000u);
  EXPECT_EQ(again[1].gpa.value, 0x3000u);
  EXPECT_EQ(again[2].gpa.value, 0x9000u);
  producer_->Publish(0, ExitAt(0xa000));
  EXPECT_TRUE(DoorbellRang());
}

TEST_F(Ring, GoesRoundItsLanesManyTimes) {
  Start({.lanes = 2, .records_per_lane = 4});
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    ASSERT_EQ(producer_->Publish(1, ExitAt(i * 4096)), Published::kNew);
    const auto events = Drain();
    ASSERT_EQ(events.size(), 1u);
    ASSERT_EQ(events[0].gpa.value, i * 4096);
    consumer_->Release(events[0].token);
  }
  EXPECT_EQ(consumer_->counters().lost, 0u);
}

TEST_F(Ring, RelaysTheCountersOfTheVmm) {
  Start({.lanes = 1, .records_per_lane = 2});
  producer_->CountFailedInjection(0);
  producer_->CountRest(0);
  producer_->Publish(5, ExitAt(0x1000));  // no such lane
  producer_->Publish(0, ExitAt(0x1000));
  Drain();
  const auto counters = consumer_->counters();
  EXPECT_EQ(counters.failed_injections, 1u);
  EXPECT_EQ(counters.rests, 1u);
  EXPECT_EQ(counters.lost, 1u);
  EXPECT_EQ(counters.taken, 1u);
}

}  // namespace
}  // namespace seaward::ring
