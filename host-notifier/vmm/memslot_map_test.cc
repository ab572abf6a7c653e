#include "host-notifier/vmm/memslot_map.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace seaward::vmm {
namespace {

MemslotMap::Slot SlotAt(std::uint32_t id, std::uint64_t start, std::uint64_t length,
                        std::uint64_t host) {
  return {.id = id, .start = GuestPhysAddr{start}, .length = length, .host = HostVirtAddr{host}};
}

TEST(MemslotMap, FindsTheFirstAndTheLastByteOfASlotAndNothingBeside) {
  MemslotMap map;
  ASSERT_TRUE(map.Set(SlotAt(0, 0x40000000, 0x1000, 0x7f0000000000)));
  EXPECT_EQ(map.Find(GuestPhysAddr{0x40000000})->value, 0x7f0000000000u);
  EXPECT_EQ(map.Find(GuestPhysAddr{0x40000fff})->value, 0x7f0000000fffu);
  EXPECT_FALSE(map.Find(GuestPhysAddr{0x40001000}));
  EXPECT_FALSE(map.Find(GuestPhysAddr{0x3fffffff}));
}

TEST(MemslotMap, FindsTheGuestsAddressOfAHostAddress) {
  MemslotMap map;
  ASSERT_TRUE(map.Set(SlotAt(0, 0x40000000, 0x2000, 0x7f0000000000)));
  ASSERT_TRUE(map.Set(SlotAt(1, 0x0, 0x1000, 0x7f1000000000)));
  EXPECT_EQ(map.FindGuest(HostVirtAddr{0x7f0000001fff})->value, 0x40001fffu);
  EXPECT_EQ(map.FindGuest(HostVirtAddr{0x7f1000000000})->value, 0u);
  EXPECT_FALSE(map.FindGuest(HostVirtAddr{0x7f0000002000}));
  EXPECT_FALSE(map.FindGuest(HostVirtAddr{0x7effffffffff}));
  ASSERT_TRUE(map.Set(SlotAt(0, 0x40000000, 0, 0)));
  EXPECT_FALSE(map.FindGuest(HostVirtAddr{0x7f0000000000})) << "a slot that is gone";
}

TEST(MemslotMap, MovesAndDeletesSlotsById) {
  MemslotMap map;
  ASSERT_TRUE(map.Set(SlotAt(3, 0x1000, 0x1000, 0xa000)));
  ASSERT_TRUE(map.Set(SlotAt(3, 0x9000, 0x1000, 0xb000)));
  EXPECT_FALSE(map.Find(GuestPhysAddr{0x1000}));
  EXPECT_EQ(map.Find(GuestPhysAddr{0x9000})->value, 0xb000u);
  ASSERT_TRUE(map.Set(SlotAt(3, 0x9000, 0, 0)));
  EXPECT_FALSE(map.Find(GuestPhysAddr{0x9000}));
}

TEST(MemslotMap, ReusesDeletedEntriesAndSaysWhenItIsFull) {
  MemslotMap map;
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t id = 0; id < MemslotMap::kMaxSlots; ++id)
      ASSERT_TRUE(map.Set(SlotAt(id, id * 0x1000ull, 0x1000, 0x100000ull + id)));
    EXPECT_FALSE(map.Set(SlotAt(60000, 0x90000000, 0x1000, 1)));
    EXPECT_TRUE(map.Set(SlotAt(60000, 0x90000000, 0, 0)));  // deleting what is not there
    for (std::uint32_t id = 0; id < MemslotMap::kMaxSlots; ++id)
      ASSERT_TRUE(map.Set(SlotAt(id, 0, 0, 0)));
  }
}

// A slot moves to and fro; a reader must see one of its places, never a mixture of both.
TEST(MemslotMap, ShowsReadersWholeSlotsWhileTheyChange) {
  MemslotMap map;
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> found{0};
  std::atomic<std::uint64_t> mixed{0};
  ASSERT_TRUE(map.Set(SlotAt(0, 0x1000, 0x2000, 0x10000)));
  std::thread reader([&] {
    while (!stop) {
      const auto host = map.Find(GuestPhysAddr{0x2000});
      if (!host) continue;
      ++found;
      if (host->value != 0x11000 && host->value != 0x50000) ++mixed;
    }
  });
  for (int i = 0; i < 20000 || found == 0; ++i) {
    ASSERT_TRUE(map.Set(i % 2 == 0 ? SlotAt(0, 0x2000, 0x1000, 0x50000)
                                   : SlotAt(0, 0x1000, 0x2000, 0x10000)));
  }
  stop = true;
  reader.join();
  EXPECT_EQ(mixed, 0u);
}

}  // namespace
}  // namespace seaward::vmm
