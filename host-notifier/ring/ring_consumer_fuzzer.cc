// Any bytes as a ring: the notifier takes what it can, holds no more than the ring has, and never
// reads beside it.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/fake_clock.h"
#include "host-notifier/ring/ring_consumer.h"
#include "host-notifier/vmm/ring_producer.h"

namespace {

constexpr seaward::vmm::RingGeometry kGeometry{.lanes = 3, .records_per_lane = 4};

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seaward;
  static auto producer = vmm::RingProducer::Create(kGeometry).value();
  static auto mapping =
      vmm::RingMapping::Map(UniqueFd(::dup(producer.memory_fd())), vmm::RingBytes(kGeometry))
          .value();
  static const std::vector<std::byte> pristine(mapping.data(), mapping.data() + mapping.size());
  static const FakeClock clock;
  std::memcpy(mapping.data(), pristine.data(), pristine.size());

  const auto open = [&] {
    return ring::RingConsumer::Open(UniqueFd(::dup(producer.memory_fd())),
                                    UniqueFd(::dup(producer.doorbell_fd())), clock);
  };
  // First half: what the VMM wrote before it attached; second half: while it is attached.
  const std::size_t half = std::min(size / 2, mapping.size());
  if (half != 0) std::memcpy(mapping.data(), data, half);
  auto consumer = open();
  if (!consumer) {  // the header's constants were hit: give the rest a chance
    std::memcpy(mapping.data(), pristine.data(), 64);
    consumer = open();
  }
  Require(consumer.has_value());
  std::vector<ring::RingToken> held;
  const auto take = [&](const ring::RingEvent& event) {
    Require(event.count >= 1 && event.when <= clock.Now() && event.vcpu < kGeometry.lanes);
    held.push_back(event.token);
  };
  consumer->Drain(100, take);
  const std::size_t rest = std::min(size - half, mapping.size());
  if (rest != 0) std::memcpy(mapping.data(), data + half, rest);
  consumer->Drain(100, take);
  Require(held.size() <= std::size_t{kGeometry.lanes} * kGeometry.records_per_lane);
  for (const ring::RingToken token : held) consumer->Release(token);
  consumer->Drain(100, take);
  (void)consumer->counters();
  return 0;
}
