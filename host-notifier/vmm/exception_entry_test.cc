// Cell by cell: AArch64.TakeException of the Arm ARM as a table.
#include "host-notifier/vmm/exception_entry.h"

#include <gtest/gtest.h>

namespace seaward::vmm {
namespace {

constexpr std::uint64_t kVectors = 0xffff800010010800;
constexpr std::uint64_t kSpan = 1 << 23;
constexpr std::uint64_t kDssbs = std::uint64_t{1} << 44;
constexpr std::uint64_t kEase = 1 << 5;
constexpr std::uint64_t kMte2 = 2 << 8;
constexpr std::uint64_t kRead = 0x92000010;   // data abort, lower EL, IL
constexpr std::uint64_t kFetch = 0x82000010;  // instruction abort
constexpr std::uint64_t kMaskedEl1h = 0x3c5;  // DAIF, EL1h
constexpr GuestVirtAddr kFar{0x5600ffff1238};

enum Mode : std::uint64_t { kEl0 = 0, kEl1t = 4, kEl1h = 5, kUser32 = 0x10 };

CpuBeforeEntry At(std::uint64_t pstate) {
  return {.pc = 0xaaaad0001000,
          .pstate = pstate,
          .vbar_el1 = kVectors,
          .sctlr_el1 = kSpan,
          .sctlr2_el1 = 0,
          .id_aa64pfr1_el1 = 0};
}

CpuAfterEntry Take(const CpuBeforeEntry& before, std::uint64_t esr = kRead) {
  const auto after = TakeAbortToEl1(before, esr, kFar);
  EXPECT_TRUE(after.has_value());
  return after.value_or(CpuAfterEntry{});
}

TEST(ExceptionEntry, ChoosesTheVectorByWhereItCameFrom) {
  const struct {
    std::uint64_t mode, offset;
  } rows[] = {{kEl1t, 0x000}, {kEl1h, 0x200}, {kEl0, 0x400}, {kUser32, 0x600}};
  for (const auto& row : rows) {
    EXPECT_EQ(Take(At(row.mode)).pc, kVectors + row.offset) << row.mode;
    EXPECT_EQ(Take(At(row.mode), kFetch).pc, kVectors + row.offset) << row.mode;
    CpuBeforeEntry with_ease = At(row.mode);
    with_ease.sctlr2_el1 = kEase;
    EXPECT_EQ(Take(with_ease).pc, kVectors + row.offset + 0x180) << row.mode;
    with_ease.sctlr2_el1 = ~kEase;
    EXPECT_EQ(Take(with_ease).pc, kVectors + row.offset) << row.mode;
  }
}

TEST(ExceptionEntry, IgnoresTheReservedBitsOfTheVectorBase) {
  CpuBeforeEntry before = At(kEl0);
  before.vbar_el1 = kVectors | 0x7ff;
  EXPECT_EQ(Take(before).pc, kVectors + 0x400);
}

TEST(ExceptionEntry, ComputesTheClassAnewFromTheGuestsOwnLevel) {
  const struct {
    std::uint64_t mode, data, fetch;
  } rows[] = {{kEl0, 0x24, 0x20}, {kUser32, 0x24, 0x20}, {kEl1t, 0x25, 0x21}, {kEl1h, 0x25, 0x21}};
  for (const auto& row : rows) {
    // Whatever class the exit carried.
    for (const std::uint64_t carried : {0x92000010u, 0x96000010u})
      EXPECT_EQ(Take(At(row.mode), carried).esr_el1, row.data << 26 | 1 << 25 | 0x10) << row.mode;
    for (const std::uint64_t carried : {0x82000010u, 0x86000010u})
      EXPECT_EQ(Take(At(row.mode), carried).esr_el1, row.fetch << 26 | 1 << 25 | 0x10) << row.mode;
  }
}

TEST(ExceptionEntry, KeepsWhatKvmsInjectionDrops) {
  for (const std::uint64_t bits :
       {0x40u, 0x100u, 0x200u, 0x400u, 0x800u, 0x1000u, 0x1800u, 0x1f40u})
    EXPECT_EQ(Take(At(kEl0), kRead | bits).esr_el1, kRead | bits) << bits;
  for (const std::uint64_t status : {0x10u, 0x13u, 0x14u, 0x15u, 0x16u, 0x17u, 0x18u, 0x1bu, 0x1fu})
    EXPECT_EQ(Take(At(kEl0), 0x92000000 | status).esr_el1, 0x92000000 | status) << status;
}

TEST(ExceptionEntry, DropsWhatAnInstructionAbortDoesNotHaveAndWhatBelongsToStage2) {
  EXPECT_EQ(Take(At(kEl0), kFetch | 0x40 | 0x100).esr_el1, kFetch) << "WnR and CM are RES0";
  EXPECT_EQ(Take(At(kEl0), kFetch | 0x1e00).esr_el1, kFetch | 0x1e00);
  EXPECT_EQ(Take(At(kEl0), kRead | 0x80).esr_el1, kRead) << "S1PTW";
  EXPECT_EQ(Take(At(kEl0), kRead | 0x1ffe000).esr_el1, kRead) << "ISV and its fields";
  EXPECT_EQ(Take(At(kEl0), kRead & ~(1u << 25)).esr_el1, kRead) << "IL without ISV is 1";
}

TEST(ExceptionEntry, WritesTheFaultAddressOnlyWhenItIsValid) {
  EXPECT_EQ(Take(At(kEl0)).far_el1, kFar.value);
  EXPECT_EQ(Take(At(kEl0), kRead | 0x400).far_el1, std::nullopt);
  EXPECT_EQ(Take(At(kEl0), 0x92000017).far_el1, kFar.value) << "valid on a table walk";
}

TEST(ExceptionEntry, SavesPcAndPstateAsTheyWere) {
  constexpr std::uint64_t everything = 0xf3f01dc0 | kEl0;
  const CpuAfterEntry after = Take(At(everything));
  EXPECT_EQ(after.elr_el1, 0xaaaad0001000u);
  EXPECT_EQ(after.spsr_el1, everything);
}

TEST(ExceptionEntry, MakesEveryBitOfPstateAsTheArchitectureSays) {
  struct Row {
    const char* what;
    std::uint64_t bit;
    bool kept;
  };
  const Row rows[] = {
      {"N", 1u << 31, true},      {"Z", 1u << 30, true},       {"C", 1u << 29, true},
      {"V", 1u << 28, true},      {"DIT", 1u << 24, true},     {"PAN", 1u << 22, true},
      {"TCO", 1u << 25, false},   {"UAO", 1u << 23, false},    {"SS", 1u << 21, false},
      {"IL", 1u << 20, false},    {"ALLINT", 1u << 13, false}, {"SSBS", 1u << 12, false},
      {"BTYPE", 3u << 10, false},
  };
  for (const Row& row : rows)
    for (const std::uint64_t mode : {kEl0, kEl1t, kEl1h})
      EXPECT_EQ(Take(At(row.bit | mode)).pstate, kMaskedEl1h | (row.kept ? row.bit : 0))
          << row.what;
  // An AArch32 User's Q, IT, GE, E, T have no place in AArch64.
  EXPECT_EQ(Take(At(0x0e0ffe20 | kUser32)).pstate, kMaskedEl1h);
}

TEST(ExceptionEntry, TakesPanSsbsAndTcoFromTheGuestsSettings) {
  constexpr std::uint64_t pan = 1 << 22;
  constexpr std::uint64_t ssbs = 1 << 12;
  constexpr std::uint64_t tco = 1 << 25;
  CpuBeforeEntry before = At(kEl1h);
  before.sctlr_el1 = 0;
  EXPECT_EQ(Take(before).pstate, kMaskedEl1h | pan) << "SPAN = 0 sets PAN";
  before.sctlr_el1 = kSpan | kDssbs;
  EXPECT_EQ(Take(before).pstate, kMaskedEl1h | ssbs);
  before.sctlr_el1 = kSpan;
  before.id_aa64pfr1_el1 = kMte2;
  EXPECT_EQ(Take(before).pstate, kMaskedEl1h | tco);
  before.pstate |= tco;
  EXPECT_EQ(Take(before).pstate, kMaskedEl1h | tco);
}

TEST(ExceptionEntry, RefusesWhatIsNotAnAbortToAnAArch64El1) {
  const auto refused = [](const CpuBeforeEntry& before, std::uint64_t esr) {
    return !TakeAbortToEl1(before, esr, kFar).has_value();
  };
  for (std::uint64_t mode = 0; mode < 32; ++mode) {
    const bool known = mode == kEl0 || mode == kEl1t || mode == kEl1h || mode == kUser32;
    EXPECT_EQ(refused(At(mode), kRead), !known) << mode;
  }
  for (std::uint64_t ec = 0; ec < 64; ++ec) {
    const bool abort = ec == 0x20 || ec == 0x21 || ec == 0x24 || ec == 0x25;
    EXPECT_EQ(refused(At(kEl0), ec << 26 | 0x10), !abort) << ec;
  }
  EXPECT_TRUE(refused(At(kEl0), 0x92000007)) << "a translation fault is no memory error";
  for (const unsigned unknown_feature : {36u, 44u}) {  // NMI, GCS
    CpuBeforeEntry before = At(kEl0);
    before.id_aa64pfr1_el1 = std::uint64_t{1} << unknown_feature;
    EXPECT_TRUE(refused(before, kRead)) << unknown_feature;
  }
}

TEST(ExceptionEntry, SeesThatTheHandlerItselfIsBad) {
  CpuBeforeEntry before = At(kEl1h);
  before.pc = kVectors + 0x200;  // the fetch of the first instruction of the handler failed
  EXPECT_TRUE(Take(before, kFetch).handler_is_bad);
  EXPECT_FALSE(Take(before, kRead).handler_is_bad) << "the handler runs and reads bad data";
  before.pc = kVectors - 0x1000;
  EXPECT_FALSE(Take(before, kFetch).handler_is_bad);
}

}  // namespace
}  // namespace seaward::vmm
