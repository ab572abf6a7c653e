// Both ends at full speed, for sanitizers and for lost wakeups.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "host-notifier/ring/ring_fixture.h"

namespace seaward::ring {
namespace {

constexpr std::uint32_t kVcpus = 2;
constexpr std::uint64_t kExitsEach = 30000;
constexpr int kLongEnoughMs = 20000;

class Stress : public RingFixture {
 protected:
  // Pages rise; every third exit repeats the page before it. A full lane lets the notifier run.
  void PublishAll(std::uint32_t vcpu) {
    for (std::uint64_t i = 1; i <= kExitsEach; ++i)
      if (producer_->Publish(vcpu, ExitAt((i - (i % 3 == 0 ? 1 : 0)) * 4096)) ==
          vmm::Published::kLost)
        std::this_thread::yield();
    ++finished_;
    producer_->Publish(vcpu, ExitAt(kLast));  // wakes the notifier a last time, or is lost: full
  }
  static constexpr std::uint64_t kLast = 0xfffff000;

  // As the notifier does: sleeps on the doorbell, drains, releases later.
  void Consume() {
    std::vector<RingToken> held;
    bool finished = false;
    while (!finished) {
      // Whoever finished before this drain is seen completely by it.
      finished = finished_ == kVcpus;
      if (!finished) {
        ASSERT_TRUE(IsReadable(consumer_->doorbell_fd(), kLongEnoughMs)) << "lost wakeup";
      }
      std::size_t n = 0;
      do {
        n = consumer_->Drain(16, [&](const RingEvent& event) {
          Check(event);
          held.push_back(event.token);
        });
        for (const RingToken token : held) consumer_->Release(token);
        held.clear();
      } while (n == 16);
    }
  }
  void Check(const RingEvent& event) {
    ASSERT_EQ(event.gva.value, event.gpa.value + 0xffff000000000000);
    ASSERT_EQ(event.hva.value, event.gpa.value + 0x7f0000000000);
    ASSERT_GE(event.gpa.value, newest_[event.vcpu]);
    newest_[event.vcpu] = event.gpa.value;
    exits_ += event.count;
  }

  std::atomic<std::uint32_t> finished_{0};
  std::array<std::uint64_t, kVcpus> newest_{};
  std::uint64_t exits_ = 0;
};

TEST_F(Stress, AccountsForEveryExit) {
  Start({.lanes = kVcpus, .records_per_lane = 16});
  Drain();  // arms the doorbell
  std::vector<std::thread> vcpus;
  for (std::uint32_t vcpu = 0; vcpu < kVcpus; ++vcpu)
    vcpus.emplace_back([this, vcpu] { PublishAll(vcpu); });
  Consume();
  for (std::thread& vcpu : vcpus) vcpu.join();
  for (const RingEvent& event : Drain()) Check(event);
  EXPECT_EQ(exits_ + consumer_->counters().lost, kVcpus * (kExitsEach + 1));
  EXPECT_GT(exits_, 0u);
}

}  // namespace
}  // namespace seaward::ring
