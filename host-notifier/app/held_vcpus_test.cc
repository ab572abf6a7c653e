#include "host-notifier/app/held_vcpus.h"

#include <gmock/gmock.h>

namespace seaward {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ByteRange kPage = ByteRange::Granule(GuestPhysAddr{0x40000000});
const ByteRange kNext = ByteRange::Granule(GuestPhysAddr{0x40001000});
// What a guest with pages of 64 KiB judges.
const ByteRange kLarge = ByteRange::Make(GuestPhysAddr{0x40000000}, 0x10000).value();

HeldVcpus::Vcpu Vcpu(std::uint64_t ring, std::uint32_t lane, std::uint64_t index) {
  return {ring, {.lane = lane, .index = index}};
}

// The lanes.
std::vector<std::uint32_t> Lanes(const std::vector<HeldVcpus::Vcpu>& vcpus) {
  std::vector<std::uint32_t> lanes;
  for (const auto& vcpu : vcpus) lanes.push_back(vcpu.token.lane);
  return lanes;
}

TEST(HeldVcpus, WaitForTheirOwnPageAndOnce) {
  HeldVcpus held;
  held.Begin(Vcpu(1, 0, 5));
  held.Begin(Vcpu(1, 1, 0));
  held.WaitFor(Vcpu(1, 0, 5), kPage);
  held.WaitFor(Vcpu(1, 1, 0), kNext);
  const auto waiting = held.WaitingFor(kNext);
  ASSERT_THAT(Lanes(waiting), ElementsAre(1));
  EXPECT_EQ(waiting[0].ring, 1u);
  EXPECT_EQ(waiting[0].token.index, 0u);
  EXPECT_TRUE(held.End(waiting[0]));
  EXPECT_THAT(held.WaitingFor(kNext), IsEmpty());
  EXPECT_TRUE(held.End(Vcpu(1, 0, 5)));
  EXPECT_FALSE(held.End(Vcpu(1, 0, 5)));
}

TEST(HeldVcpus, AllWaitForALargePageTogether) {
  HeldVcpus held;
  held.Begin(Vcpu(1, 0, 0));
  held.Begin(Vcpu(1, 3, 0));
  held.Begin(Vcpu(1, 7, 0));
  held.WaitFor(Vcpu(1, 0, 0), kPage);
  held.WaitFor(Vcpu(1, 3, 0), kNext);
  EXPECT_THAT(Lanes(held.WaitingFor(kLarge)), ElementsAre(0, 3)) << "7 waits for no page yet";
}

TEST(HeldVcpus, OfALaneOnlyTheNewestWaits) {
  HeldVcpus held;
  held.Begin(Vcpu(1, 0, 5));
  held.WaitFor(Vcpu(1, 0, 5), kPage);
  held.Begin(Vcpu(1, 0, 6));
  held.WaitFor(Vcpu(1, 0, 5), kPage);  // its page was found late
  EXPECT_THAT(held.WaitingFor(kPage), IsEmpty());
  EXPECT_FALSE(held.End(Vcpu(1, 0, 5)));
  EXPECT_TRUE(held.End(Vcpu(1, 0, 6)));
}

TEST(HeldVcpus, OfARingThatEndedAreForgotten) {
  HeldVcpus held;
  held.Begin(Vcpu(1, 0, 5));
  held.Begin(Vcpu(2, 0, 5));
  held.RingEnded(1);
  EXPECT_FALSE(held.End(Vcpu(1, 0, 5)));
  EXPECT_TRUE(held.End(Vcpu(2, 0, 5)));
}

}  // namespace
}  // namespace seaward
