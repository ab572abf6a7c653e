#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <vector>

#include "base/fake_clock.h"
#include "host-notifier/ring/ring_consumer.h"
#include "host-notifier/vmm/ring_producer.h"

namespace seaward::ring {
namespace {

using vmm::Published;
using vmm::RingProducer;

vmm::SeaExit ExitAt(std::uint64_t gpa) {
  vmm::SeaExit exit;
  exit.flags = vmm::kSeaFlagGpaValid;
  exit.esr = 0x92000010;
  exit.gva = GuestVirtAddr{gpa + 0xffff000000000000};
  exit.gpa = GuestPhysAddr{gpa};
  exit.hva = HostVirtAddr{gpa + 0x7f0000000000};
  exit.page_shift = 12;
  exit.injection = vmm::Injection::kKvm;
  return exit;
}

// A producer and a consumer of the same memory, as two processes would hold them.
class Ring : public testing::Test {
 protected:
  void Start(vmm::RingGeometry geometry = {.lanes = 4, .records_per_lane = 8}) {
    producer_.emplace(std::move(RingProducer::Create(geometry).value()));
    NotifierStarts();
  }
  void NotifierStarts() {
    consumer_.emplace(
        std::move(RingConsumer::Open(UniqueFd(::dup(producer_->memory_fd())),
                                     UniqueFd(::dup(producer_->doorbell_fd())), clock_)
                      .value()));
  }
  std::vector<RingEvent> Drain(std::size_t max = 1000) {
    std::vector<RingEvent> events;
    consumer_->Drain(max, [&](const RingEvent& event) { events.push_back(event); });
    return events;
  }
  bool DoorbellRang() {
    pollfd p{.fd = consumer_->doorbell_fd(), .events = POLLIN, .revents = 0};
    return ::poll(&p, 1, 0) == 1;
  }

  FakeClock clock_;
  std::optional<RingProducer> producer_;
  std::optional<RingConsumer> consumer_;
};

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
  EXPECT_TRUE(Drain().empty());
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

}  // namespace
}  // namespace seaward::ring
