// The tool's parts together on a machine that stands still.
#include "tests/lab/poison/poisoner.h"

#include <gtest/gtest.h>

#include "tests/lab/poison/assembler.h"
#include "tests/lab/poison/fake_machine_fixture.h"
#include "tests/lab/poison/orders.h"

namespace seaward::lab {
namespace {

constexpr std::uint64_t kPage = 0x48048000, kBacking = 0x403a5000, kOther = 0x403a6000;

class PoisonerTest : public ::testing::Test {
 protected:
  PoisonerTest() {
    machine_.MapPage(kPage, kBacking);
    untouched_ = machine_.Contents();
    auto place = KernelPlace::Parse(FakeMachine::Symbols(), "  40000000-4001ffff : Kernel code\n");
    auto ram = MachineRam::Open(machine_.ram_path(), {FakeMachine::kBase});
    auto installed =
        Poisoner::Install(machine_.gdb_path(), std::move(*ram), *place, VcpuLayout{0x1480});
    EXPECT_TRUE(installed) << installed.error().Text();
    poisoner_.emplace(std::move(*installed));
  }
  std::uint64_t Count() { return machine_.Get(poisoner_->patch().list().value); }
  std::uint64_t SlotWord(std::size_t slot, std::size_t word) {
    return machine_.Get(poisoner_->patch().list().value + 8 + (slot * kSlotWords + word) * 8);
  }
  std::uint64_t Leaf() { return machine_.Get(FakeMachine::LeafOf(kPage)); }
  std::string Says(const std::string& order) { return Obey(*poisoner_, order).line; }

  FakeMachine machine_;
  std::string untouched_;
  std::optional<Poisoner> poisoner_;
};

TEST_F(PoisonerTest, ListsThePageAndMakesItsLeafInvalid) {
  ASSERT_TRUE(poisoner_->pages().Poison({kPage + 0x123}, {kBacking}, {}));
  EXPECT_EQ(Leaf(), (kBacking | FakeMachine::kStageTwo) & ~std::uint64_t{1});
  EXPECT_EQ(Count(), 1u);
  EXPECT_EQ(SlotWord(0, 0), kPage >> 12);
  EXPECT_EQ(SlotWord(0, 1), FakeMachine::kRoot >> 12);
  const std::uint64_t below_end =
      FakeMachine::kBase + FakeMachine::kBytes - FakeMachine::OwnerOf(kPage);
  EXPECT_EQ(SlotWord(0, 2), FakeMachine::kLinearEnd - below_end);
  EXPECT_EQ(SlotWord(0, 3), kBacking >> 12);
  EXPECT_EQ(SlotWord(0, 4), PoisonKind{}.Syndromes());
}

TEST_F(PoisonerTest, PutsEveryByteBack) {
  ASSERT_TRUE(poisoner_->pages().Poison({kPage}, {kBacking}, {}));
  EXPECT_NE(machine_.Contents(), untouched_);
  const auto report = poisoner_->Restore();
  ASSERT_TRUE(report) << report.error().Text();
  EXPECT_EQ(report->descriptors_restored, 1u);
  EXPECT_FALSE(poisoner_->patch().installed());
  EXPECT_EQ(machine_.Contents(), untouched_);
  EXPECT_TRUE(poisoner_->Restore());
}

TEST_F(PoisonerTest, TakesALeafAwayThatKvmPutBackForTheSamePage) {
  ASSERT_TRUE(poisoner_->pages().Poison({kPage}, {kBacking}, {}));
  const std::uint64_t anew = kBacking | FakeMachine::kStageTwo | std::uint64_t{1} << 55;
  machine_.Put(FakeMachine::LeafOf(kPage), anew);
  ASSERT_TRUE(poisoner_->pages().Check());
  EXPECT_EQ(Leaf(), anew & ~std::uint64_t{1});
  machine_.Put(FakeMachine::LeafOf(kPage), 0);  // unmapped: still bad
  EXPECT_EQ(Says("list"), "ok pages 0x48048000 lifted method=kernel-text-patched");
}

TEST_F(PoisonerTest, LiftsAPageThatTheVmmHasElsewhereNow) {
  ASSERT_TRUE(poisoner_->pages().Poison({kPage}, {kBacking}, {}));
  machine_.Put(FakeMachine::OwnerOf(kPage), kOther | FakeMachine::kUser);
  machine_.Put(FakeMachine::LeafOf(kPage), kOther | FakeMachine::kStageTwo);
  EXPECT_EQ(Says("list"), "ok pages lifted 0x48048000 method=kernel-text-patched");
  EXPECT_EQ(SlotWord(0, 0), kFreeSlot);
  EXPECT_EQ(Leaf(), kOther | FakeMachine::kStageTwo);
  EXPECT_TRUE(Obey(*poisoner_, "heal 0x48048000").good);
  EXPECT_EQ(Says("list"), "ok pages lifted method=kernel-text-patched");
}

TEST_F(PoisonerTest, HoldsAsManyPagesAsItSaysAndUsesFreedSlotsAgain) {
  for (std::uint64_t i = 0; i <= kMaxPages; ++i)
    machine_.MapPage(kPage + i * 0x1000, 0x40200000 + i * 0x1000);
  for (std::uint64_t i = 0; i < kMaxPages; ++i)
    ASSERT_TRUE(poisoner_->pages().Poison({kPage + i * 0x1000}, {0x40200000 + i * 0x1000}, {}));
  const GuestPhysAddr more{kPage + kMaxPages * 0x1000};
  const HostPhysAddr behind{0x40200000 + kMaxPages * 0x1000};
  EXPECT_EQ(poisoner_->pages().Poison(more, behind, {}).error().code, ErrorCode::kLimit);
  ASSERT_TRUE(poisoner_->pages().Heal({kPage + 0x7000}));
  EXPECT_TRUE(poisoner_->pages().Poison(more, behind, {}));
  EXPECT_EQ(Count(), kMaxPages);
  EXPECT_EQ(SlotWord(7, 0), more.value >> 12);
}

TEST_F(PoisonerTest, RefusesWithTheReason) {
  EXPECT_NE(Says("poison 0x48049000 0x403a5000").find("error unmapped page"), std::string::npos);
  EXPECT_NE(Says("poison 0x48048000 0x403a6000").find("error guest gone"), std::string::npos);
  EXPECT_NE(Says("poison 0x48048000 0x403a5000 walk:9").find("unknown kind"), std::string::npos);
  EXPECT_NE(Says("poison 0x48048000").find("error"), std::string::npos);
  EXPECT_NE(Says("heal 0x48048000").find("not poisoned"), std::string::npos);
  EXPECT_NE(Says("dance").find("orders:"), std::string::npos);
  ASSERT_TRUE(Obey(*poisoner_, "poison 0x48048000 0x403a5000 fnv").good);
  EXPECT_NE(Says("poison 0x48048000 0x403a5000").find("bad already"), std::string::npos);
  for (const char* order : {"list", "dance", "poison 0x0 0x0", "heal 0x48048000"})
    EXPECT_TRUE(Says(order).ends_with("method=kernel-text-patched")) << order;
}

TEST_F(PoisonerTest, RefusesAPageOfAHugeBlock) {
  const std::uint64_t block = 0x40200000;
  machine_.Put(FakeMachine::kMiddle + 8 * (kPage >> 21 & 511),
               block | (FakeMachine::kStageTwo & ~std::uint64_t{2}));
  machine_.Put(FakeMachine::OwnerOf(kPage), (block + 0x48000) | FakeMachine::kUser);
  const auto refused = poisoner_->pages().Poison({kPage}, {block + 0x48000}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().Text().find("huge page"), std::string::npos);
}

// KVM maps it in small pages, because it was told so before the guest came.
TEST_F(PoisonerTest, APageOfHugeBackingIsBadByItself) {
  const std::uint64_t block = 0x40200000, owner = FakeMachine::kOwner + 0x1000 + 8 * 77;
  machine_.Put(FakeMachine::LeafOf(kPage), (block + 0x48000) | FakeMachine::kStageTwo);
  machine_.Put(FakeMachine::OwnerOf(kPage), 0);
  machine_.Put(owner, block | (FakeMachine::kUser & ~std::uint64_t{2}));
  ASSERT_TRUE(poisoner_->pages().Poison({kPage}, {block + 0x48000}, {}));
  EXPECT_EQ(SlotWord(0, 3), block >> 12) << "what the VMM's entry holds";
  EXPECT_EQ(Says("list"), "ok pages 0x48048000 lifted method=kernel-text-patched");
  machine_.Put(owner, 0);
  EXPECT_EQ(Says("list"), "ok pages lifted 0x48048000 method=kernel-text-patched");
}

TEST_F(PoisonerTest, KvmIsToldToMapSmallPages) {
  ASSERT_TRUE(poisoner_->patch().splits_huge_pages());
  const std::uint64_t words = machine_.Get(FakeMachine::kHugeQuestion);
  EXPECT_EQ(words & 0xffffffff, FakeMachine::kBtiC) << "callers may come indirectly";
  const auto branch = static_cast<std::uint32_t>(words >> 32);
  ASSERT_EQ(branch >> 26, 0x05u) << "b";
  const std::uint64_t stub = FakeMachine::kHugeQuestion + 4 + (branch & 0x3ffffff) * 4;
  EXPECT_EQ(machine_.Get(stub), kReturnZero[0] | std::uint64_t{kReturnZero[1]} << 32);
}

TEST_F(PoisonerTest, FindsTheGuestsTablesLevelByLevel) {
  // Level 3 in the guest page 0x48050000, level 2 in 0x48051000, level 1 in 0x48052000.
  constexpr std::uint64_t kLevels[] = {0x48050000, 0x48051000, 0x48052000};
  for (std::uint64_t i = 0; i < 3; ++i) machine_.MapPage(kLevels[i], 0x403b0000 + i * 0x1000);
  machine_.Put(0x403b0000 + 8 * 5, kPage | 0x60000000000f43);
  machine_.Put(0x403b1000 + 8 * 9, kLevels[0] | 3);
  machine_.Put(0x403b2000 + 8 * 1, kLevels[1] | 3);
  // Left over from an earlier boot: points to the same table, and nothing points to it.
  machine_.MapPage(0x4804f000, 0x403b7000);
  machine_.Put(0x403b7000 + 8 * 9, kLevels[0] | 3);
  EXPECT_EQ(Says("tables 0x48048000 0x403a5000"),
            "ok tables 3:0x48050000:0x403b0000 2:0x48051000:0x403b1000 1:0x48052000:0x403b2000 "
            "method=kernel-text-patched");
}

}  // namespace
}  // namespace seaward::lab
