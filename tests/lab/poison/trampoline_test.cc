#include "tests/lab/poison/trampoline.h"

#include <gtest/gtest.h>

#include "tests/lab/poison/a64_interpreter_fixture.h"
#include "tests/lab/poison/assembler.h"
#include "tests/lab/poison/poison_kind.h"

namespace seaward::lab {
namespace {

constexpr VcpuLayout kLayout{0x1480};
constexpr std::uint64_t kVcpu = 0xffff000012340000;
constexpr std::uint64_t kAt = 0x40800000, kList = 0x40801000, kSite = 0x40100000;
constexpr std::uint64_t kOwner = 0xffff000099990048;  // the VMM's page table entry
constexpr std::uint32_t kSubSp0x30 = 0xd100c3ff;
constexpr std::uint32_t kMrsHpfar = 0xd53c6080, kMrsVttbr = 0xd53c2100;

// As the emulation gives it: lower EL, IL, level 3 translation fault.
constexpr std::uint64_t kDataRead = 0x92000007, kDataWrite = 0x92000047, kFetch = 0x82000007;
constexpr std::uint64_t kS1ptw = 1 << 7;

class TrampolineTest : public ::testing::Test {
 protected:
  TrampolineTest() {
    const auto code = BuildTrampoline(kLayout, {kAt}, {kList}, kSubSp0x30, {kSite + 4});
    EXPECT_TRUE(code);
    if (code) cpu_.Load(kAt, *code);
    cpu_.memory[kOwner] = 0x00680000'8c123f43;  // attributes around the host page
  }
  void GivenSlots(const std::vector<Slot>& slots) {
    std::uint64_t at = kList;
    cpu_.memory[at] = slots.size();
    for (const Slot& s : slots)
      for (std::uint64_t word : {s.page, s.guest, s.owner, s.backing, s.syndrome})
        cpu_.memory[at += 8] = word;
  }
  static Slot BadPage(const PoisonKind& kind = {}) {
    return {0x48048, 0x7a5fe, kOwner, 0x8c123, kind.Syndromes()};
  }
  // The syndrome that KVM sees after an abort of this guest at this page.
  std::uint64_t SyndromeOf(std::uint64_t esr, std::uint64_t page = 0x48048,
                           std::uint64_t root = 0x7a5fe) {
    cpu_.x[0] = kVcpu;
    cpu_.x[31] = 0x1000;
    cpu_.memory[kVcpu + kLayout.esr] = esr;
    cpu_.system[kMrsHpfar] = page << 4;
    cpu_.system[kMrsVttbr] = std::uint64_t{5} << 48 | root << 12 | 1;  // VMID, CnP
    cpu_.Run(kAt, kSite + 4);
    EXPECT_FALSE(cpu_.stuck_at) << std::hex << *cpu_.stuck_at;
    EXPECT_EQ(cpu_.x[0], kVcpu);
    EXPECT_EQ(cpu_.x[31], 0x1000u - 0x30u) << "the displaced instruction runs exactly once";
    return cpu_.memory[kVcpu + kLayout.esr];
  }
  A64Interpreter cpu_;
};

TEST_F(TrampolineTest, TurnsEachAccessIntoAnExternalAbortThatKeepsItsKind) {
  GivenSlots({BadPage()});
  EXPECT_EQ(SyndromeOf(kDataRead), 0x92000010u);
  EXPECT_EQ(SyndromeOf(kDataWrite), 0x92000050u);  // WnR
  EXPECT_EQ(SyndromeOf(kFetch), 0x82000010u);
  EXPECT_EQ(SyndromeOf(0x93c08007), 0x92000010u) << "ISV and what it covers are not for these";
}

TEST_F(TrampolineTest, ReportsAWalkAtTheLevelOfTheTableAndForgetsS1ptw) {
  for (int level = -1; level <= 3; ++level) {
    GivenSlots({BadPage({.table_level = level})});
    EXPECT_EQ(SyndromeOf(kDataRead | kS1ptw), 0x92000014u + static_cast<unsigned>(level));
    EXPECT_EQ(SyndromeOf(kFetch | kS1ptw), 0x82000014u + static_cast<unsigned>(level));
    EXPECT_EQ(SyndromeOf(kDataWrite), 0x92000050u) << "the kernel's own write into the table";
  }
}

TEST_F(TrampolineTest, SaysWhatTheKindSays) {
  GivenSlots({BadPage({.without_address = true})});
  EXPECT_EQ(SyndromeOf(kDataRead), 0x92000410u);
  EXPECT_EQ(SyndromeOf(kDataRead | kS1ptw), 0x92000017u) << "a walk always has its address";
  GivenSlots({BadPage({.uncontainable = true})});
  EXPECT_EQ(SyndromeOf(kDataRead), 0x92001010u);
  EXPECT_EQ(SyndromeOf(kDataRead | kS1ptw), 0x92001017u);
}

TEST_F(TrampolineTest, LeavesOtherPagesGuestsAndFaultsAlone) {
  GivenSlots({BadPage()});
  EXPECT_EQ(SyndromeOf(kDataRead, 0x48049), kDataRead);
  EXPECT_EQ(SyndromeOf(kDataRead, 0x48048, 0x7a5ff), kDataRead) << "another guest's page";
  EXPECT_EQ(SyndromeOf(0x9200000f), 0x9200000fu) << "a permission fault has no valid HPFAR_EL2";
  EXPECT_EQ(SyndromeOf(0x92000410), 0x92000410u) << "an external abort already";
  GivenSlots({});
  EXPECT_EQ(SyndromeOf(kDataRead), kDataRead);
}

TEST_F(TrampolineTest, LetsAccessesThroughOnceTheVmmHasOtherBacking) {
  GivenSlots({BadPage()});
  cpu_.memory[kOwner] = 0x00680000'8c124f43;
  EXPECT_EQ(SyndromeOf(kDataRead), kDataRead);
  cpu_.memory[kOwner] = 0;
  EXPECT_EQ(SyndromeOf(kDataRead), kDataRead);
  cpu_.memory[kOwner] = 0x00e80000'8c123f42;  // not present for a moment, the same page
  EXPECT_EQ(SyndromeOf(kDataRead), 0x92000010u);
  cpu_.memory[kOwner] = 0x00000000'8c123740;  // the page retired by the host's kernel
  EXPECT_EQ(SyndromeOf(kDataRead), kDataRead);
}

TEST_F(TrampolineTest, LooksThroughTheWholeListAndPastFreeSlots) {
  std::vector<Slot> slots(kMaxPages);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots[i] = BadPage();
    slots[i].page = i % 2 == 0 ? kFreeSlot : 0x50000 + i;
  }
  slots.back() = BadPage({.without_address = true});
  GivenSlots(slots);
  EXPECT_EQ(SyndromeOf(kDataRead), 0x92000410u);
  EXPECT_EQ(SyndromeOf(kDataRead, 0x50001), 0x92000010u);
}

TEST(Trampoline, RefusesWhatOneInstructionCannotReach) {
  EXPECT_FALSE(BuildTrampoline({0x10000}, {kAt}, {kList}, kNop, {kSite}));
  EXPECT_FALSE(BuildTrampoline(kLayout, {kAt}, {kAt + (2 << 20)}, kNop, {kSite}));
  EXPECT_FALSE(BuildTrampoline(kLayout, {kAt}, {kList}, kNop, {kAt + (std::uint64_t{1} << 32)}));
}

TEST(PoisonKind, ReadsItsOwnText) {
  for (const char* text :
       {"located", "fnv", "located walk:1", "located uncontainable", "fnv walk:-1 uncontainable"}) {
    const auto kind = PoisonKind::Parse(text);
    ASSERT_TRUE(kind) << text;
    EXPECT_EQ(kind->Text(), text);
  }
  EXPECT_EQ(PoisonKind::Parse("").value(), PoisonKind{});
  EXPECT_EQ(PoisonKind::Parse("walk:2")->table_level, 2);
}

TEST(PoisonKind, RefusesOtherWords) {
  for (const char* text : {"walk", "walk:", "walk:4", "walk:-2", "walk:2x", "wolk:2", "fnv,", " "})
    EXPECT_FALSE(PoisonKind::Parse(text)) << text;
}

}  // namespace
}  // namespace seaward::lab
