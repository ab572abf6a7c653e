// What a VMM could do to the notifier if it wanted to.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <random>

#include "host-notifier/ring/received_descriptors.h"
#include "host-notifier/ring/ring_fixture.h"

namespace seaward::ring {
namespace {

constexpr vmm::RingGeometry kSmall{.lanes = 4, .records_per_lane = 8};

UniqueFd Memfd(std::size_t bytes, int seals, unsigned flags = 0) {
  UniqueFd fd(::memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
  if (seals != 0) {
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  }
  return fd;
}

UniqueFd Doorbell() {
  return UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

class HostileMemory : public testing::Test {
 protected:
  ErrorCode Refusal(UniqueFd memory, UniqueFd doorbell = Doorbell()) {
    const auto ring = RingConsumer::Open(std::move(memory), std::move(doorbell), clock_);
    EXPECT_FALSE(ring);
    return ring ? ErrorCode::kIo : ring.error().code;
  }
  FakeClock clock_;
};

TEST_F(HostileMemory, IsRefusedWhenItCouldShrinkUnderUs) {
  const std::size_t bytes = vmm::RingBytes(kSmall);
  for (const int missing : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL})
    EXPECT_EQ(Refusal(Memfd(bytes, vmm::RequiredSeals() & ~missing)), ErrorCode::kDenied);
}

TEST_F(HostileMemory, IsRefusedWhenItIsOfHugePages) {
  // The file may be sealed and sized although no huge page exists: touching it raises SIGBUS.
  UniqueFd huge(::memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB));
  ASSERT_TRUE(huge.valid());
  ASSERT_EQ(::ftruncate(huge.get(), 2 << 20), 0);
  ASSERT_EQ(::fcntl(huge.get(), F_ADD_SEALS, vmm::RequiredSeals()), 0);
  EXPECT_EQ(Refusal(std::move(huge)), ErrorCode::kDenied);
}

TEST_F(HostileMemory, IsRefusedWhenItIsNoMemfd) {
  EXPECT_EQ(Refusal(UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC))), ErrorCode::kDenied);
  EXPECT_EQ(Refusal(UniqueFd()), ErrorCode::kDenied);
  EXPECT_EQ(Refusal(Doorbell()), ErrorCode::kDenied);
}

TEST_F(HostileMemory, IsRefusedWhenItsSizeIsNotWhatTheHeaderSays) {
  const std::size_t bytes = vmm::RingBytes(kSmall);
  for (const std::size_t size : {std::size_t{0}, std::size_t{64}, bytes, vmm::kMaxRingBytes + 4096})
    EXPECT_EQ(Refusal(Memfd(size, vmm::RequiredSeals())), ErrorCode::kInvalid) << size;
}

TEST_F(HostileMemory, IsRefusedWhenTheGeometryOverflows) {
  auto producer = vmm::RingProducer::Create(kSmall);
  ASSERT_TRUE(producer);
  auto mapping =
      vmm::RingMapping::Map(UniqueFd(::dup(producer->memory_fd())), vmm::RingBytes(kSmall));
  ASSERT_TRUE(mapping);
  auto& header = *reinterpret_cast<vmm::RingHeader*>(mapping->data());
  const std::uint32_t lies[][2] = {{0, 8},  {4, 0},         {4, 7},          {0xffffffff, 8},
                                   {4, 16}, {1u << 31, 2u}, {4, 0x80000000}, {8, 8}};
  for (const auto& [lanes, records] : lies) {
    header.lanes = lanes;
    header.records_per_lane = records;
    EXPECT_EQ(Refusal(UniqueFd(::dup(producer->memory_fd()))), ErrorCode::kInvalid);
  }
}

TEST_F(HostileMemory, ComesOnlyWithARealEventfd) {
  std::array<int, 2> pipe_fds;
  ASSERT_EQ(::pipe2(pipe_fds.data(), O_CLOEXEC), 0);
  const UniqueFd writer(pipe_fds[1]);
  const auto memory = [] { return Memfd(vmm::RingBytes(kSmall), vmm::RequiredSeals()); };
  EXPECT_EQ(Refusal(memory(), UniqueFd(pipe_fds[0])), ErrorCode::kInvalid);
  EXPECT_EQ(Refusal(memory(), memory()), ErrorCode::kInvalid);
}

class HostileRing : public RingFixture {
 protected:
  vmm::RingView View() {
    mapping_ = std::move(
        vmm::RingMapping::Map(UniqueFd(::dup(producer_->memory_fd())), vmm::RingBytes(kSmall))
            .value());
    return {mapping_.data(), kSmall};
  }
  vmm::RingMapping mapping_;
};

TEST_F(HostileRing, CannotMakeTheNotifierHoldMoreThanItsLanes) {
  Start(kSmall);
  auto view = View();
  view.header().lanes_in_use[0] = 1;
  // Rewrites slots that were never released, with the numbers that come next.
  std::size_t taken = 0;
  for (std::uint64_t index = 0; index < 100; ++index) {
    view.record(0, index).sequence = index + 1;
    taken += Drain().size();
  }
  EXPECT_EQ(taken, kSmall.records_per_lane);
}

TEST_F(HostileRing, OnlyConfusesItsOwnLaneWithWildCounters) {
  Start(kSmall);
  auto view = View();
  view.header().lanes_in_use[0] = ~std::uint64_t{0};
  view.header().lanes_in_use[15] = ~std::uint64_t{0};  // lanes that do not exist
  view.lane(0).released = std::numeric_limits<std::uint64_t>::max() - 2;
  NotifierStarts();
  for (std::uint64_t i = 0, index = view.lane(0).released; i < 6; ++i, ++index)
    view.record(0, index).sequence = index + 1;
  producer_->Publish(1, ExitAt(0x5000));
  const auto events = Drain();
  ASSERT_EQ(events.size(), 7u);  // across the wrap of the counter
  for (const RingEvent& event : events) consumer_->Release(event.token);
  EXPECT_EQ(view.lane(0).released, 3u);
}

TEST_F(HostileRing, HasImpossibleFieldsCorrectedAndCounted) {
  Start(kSmall);
  producer_->Publish(0, ExitAt(0x1000));
  auto view = View();
  vmm::RingRecord& record = view.record(0, 0);
  record.when_ns = ~std::uint64_t{0};  // before the epoch if taken as signed, else in 2554
  record.count = 0;
  record.attributes = 0xffffffff;
  record.esr = ~std::uint64_t{0};
  const auto events = Drain();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].when, clock_.Now());
  EXPECT_EQ(events[0].count, 1u);
  EXPECT_EQ(events[0].backing_page_size, 0u);
  EXPECT_EQ(events[0].injection, vmm::Injection::kNone);
  EXPECT_EQ(events[0].esr, ~std::uint64_t{0});  // raw: not ours to judge
  EXPECT_EQ(consumer_->counters().malformed, 1u);
}

TEST_F(HostileRing, MayScribbleOverEverythingWhileItIsRead) {
  Start(kSmall);
  auto view = View();
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  auto* words = reinterpret_cast<std::uint64_t*>(mapping_.data());
  const std::size_t n = vmm::RingBytes(kSmall) / sizeof(std::uint64_t);
  for (int round = 0; round < 3000; ++round) {
    for (int i = 0; i < 40; ++i) words[random() % n] = random() % 3 == 0 ? random() : random() % 16;
    view.header().lanes_in_use[0] = ~std::uint64_t{0};
    const auto events = Drain(64);
    ASSERT_LE(events.size(), std::size_t{kSmall.lanes} * kSmall.records_per_lane);
    for (const RingEvent& event : events) {
      ASSERT_GE(event.count, 1u);
      ASSERT_LE(event.when, clock_.Now());
      ASSERT_LT(event.vcpu, kSmall.lanes);
      consumer_->Release(event.token);
      consumer_->Release({.lane = static_cast<std::uint32_t>(random()), .index = random()});
    }
  }
}

}  // namespace
}  // namespace seaward::ring
