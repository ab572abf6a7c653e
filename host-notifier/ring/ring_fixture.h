// A VMM's end and the notifier's end of one ring, for tests.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "base/fake_clock.h"
#include "host-notifier/ring/ring_consumer.h"
#include "host-notifier/vmm/ring_producer.h"

namespace seaward::ring {

inline vmm::SeaExit ExitAt(std::uint64_t gpa) {
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

inline bool IsReadable(int fd, int timeout_ms = 0) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&p, 1, timeout_ms) == 1;
}

class RingFixture : public testing::Test {
 protected:
  void Start(vmm::RingGeometry geometry = {.lanes = 4, .records_per_lane = 8}) {
    producer_.emplace(std::move(vmm::RingProducer::Create(geometry).value()));
    NotifierStarts();
  }
  // A new one: the old one's memory of the ring is gone.
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
  bool DoorbellRang() { return IsReadable(consumer_->doorbell_fd()); }

  FakeClock clock_;
  std::optional<vmm::RingProducer> producer_;
  std::optional<RingConsumer> consumer_;
};

}  // namespace seaward::ring
