#include "host-notifier/vmm/loop_guard.h"

#include <gtest/gtest.h>

namespace seaward::vmm {
namespace {

using std::chrono::milliseconds;

SeaExit LocatedAt(std::uint64_t gpa) {
  SeaExit exit;
  exit.flags = kSeaFlagGpaValid;
  exit.esr = 0x92000010;
  exit.gpa = GuestPhysAddr{gpa};
  return exit;
}

TEST(LoopGuard, LetsDistinctPagesPassForEver) {
  LoopGuard guard;
  for (std::uint64_t page = 0; page < 10000; ++page)
    ASSERT_EQ(guard.AfterFault(LocatedAt(page * 4096)), milliseconds(0));
}

TEST(LoopGuard, SlowsDownAVcpuThatRepeatsOnePageAndNeverStopsIt) {
  LoopGuard guard;
  milliseconds longest{0};
  for (std::uint32_t i = 0; i < LoopGuard::kFreeRepeats; ++i)
    ASSERT_EQ(guard.AfterFault(LocatedAt(0x1000)), milliseconds(0));
  EXPECT_EQ(guard.AfterFault(LocatedAt(0x1000)), LoopGuard::kFirstPause);
  for (int i = 0; i < 100; ++i) longest = std::max(longest, guard.AfterFault(LocatedAt(0x1000)));
  EXPECT_EQ(longest, LoopGuard::kLongestPause);
}

TEST(LoopGuard, SeesThroughTwoPagesThatAlternate) {
  LoopGuard guard;
  milliseconds longest{0};
  for (int i = 0; i < 400; ++i)
    longest = std::max(longest, guard.AfterFault(LocatedAt(i % 2 == 0 ? 0x1000 : 0x2000)));
  EXPECT_GT(longest, milliseconds(0));
}

TEST(LoopGuard, ForgivesAfterProgress) {
  LoopGuard guard;
  for (int i = 0; i < 10000; ++i) {
    ASSERT_EQ(guard.AfterFault(LocatedAt(0x1000)), milliseconds(0));
    if (i % 100 == 0) guard.Progress();
  }
}

TEST(LoopGuard, KnowsUnlocatedFaultsByTheirVirtualPage) {
  LoopGuard guard;
  SeaExit exit;
  exit.esr = 0x92000017;
  milliseconds longest{0};
  for (int i = 0; i < 1000; ++i) {
    exit.gva = GuestVirtAddr{static_cast<std::uint64_t>(i) * 4096};
    longest = std::max(longest, guard.AfterFault(exit));
  }
  EXPECT_EQ(longest, milliseconds(0));
  for (int i = 0; i < 1000; ++i) longest = std::max(longest, guard.AfterFault(exit));
  EXPECT_EQ(longest, LoopGuard::kLongestPause);
}

}  // namespace
}  // namespace seaward::vmm
