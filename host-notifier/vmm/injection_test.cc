#include "host-notifier/vmm/injection.h"

#include <gtest/gtest.h>

#include "host-notifier/vmm/syndrome.h"

namespace seaward::vmm {
namespace {

struct Syndrome {
  std::uint64_t esr;
  const char* what;
};
constexpr Syndrome kPlain[] = {{0x92000010, "read, lower EL"}, {0x96000010, "read, same EL"}};
constexpr Syndrome kChangedByKvm[] = {
    {0x92000050, "WnR"},        {0x92000110, "CM"},          {0x92000210, "EA"},
    {0x92000410, "FnV"},        {0x92001010, "SET=2"},       {0x92001810, "SET=3"},
    {0x92000017, "table walk"}, {0x82000010, "instruction"}, {0x92000018, "parity"},
    {0x92000610, "FnV and EA"},
};

TEST(Injection, ByKvmIsExactOnlyForAPlainLocatedDataAbort) {
  for (const auto& plain : kPlain) EXPECT_TRUE(KvmInjectsExactly(plain.esr)) << plain.what;
  for (const auto& other : kChangedByKvm) EXPECT_FALSE(KvmInjectsExactly(other.esr)) << other.what;
}

TEST(Injection, FollowsModeAndSyndromeInEveryCell) {
  struct Row {
    InjectMode mode;
    bool exact_possible;
    Injection plain, changed;
  };
  const Row rows[] = {
      {InjectMode::kAuto, true, Injection::kKvm, Injection::kExact},
      {InjectMode::kAuto, false, Injection::kKvm, Injection::kKvmInexact},
      {InjectMode::kNative, true, Injection::kKvm, Injection::kExact},
      {InjectMode::kNative, false, Injection::kKvm, Injection::kKvmInexact},
      {InjectMode::kKvm, true, Injection::kKvm, Injection::kKvmInexact},
      {InjectMode::kKvm, false, Injection::kKvm, Injection::kKvmInexact},
      {InjectMode::kExact, true, Injection::kExact, Injection::kExact},
      {InjectMode::kExact, false, Injection::kKvm, Injection::kKvmInexact},
      {InjectMode::kNone, true, Injection::kVmm, Injection::kVmm},
      {InjectMode::kNone, false, Injection::kVmm, Injection::kVmm},
  };
  for (const Row& row : rows) {
    for (const auto& s : kPlain)
      EXPECT_EQ(DecideInjection(row.mode, s.esr, row.exact_possible), row.plain)
          << s.what << static_cast<int>(row.mode) << row.exact_possible;
    for (const auto& s : kChangedByKvm)
      EXPECT_EQ(DecideInjection(row.mode, s.esr, row.exact_possible), row.changed)
          << s.what << static_cast<int>(row.mode) << row.exact_possible;
  }
}

TEST(Injection, ReadsNoRegistersWhereKvmIsExact) {
  EXPECT_FALSE(WantsExactEntry(InjectMode::kAuto, 0x92000010));
  EXPECT_TRUE(WantsExactEntry(InjectMode::kAuto, 0x82000010));
  EXPECT_TRUE(WantsExactEntry(InjectMode::kExact, 0x92000010));
  EXPECT_FALSE(WantsExactEntry(InjectMode::kKvm, 0x82000010));
  EXPECT_FALSE(WantsExactEntry(InjectMode::kNone, 0x82000010));
}

TEST(Syndrome, NamesTheLevelOfEveryWalkAbort) {
  for (std::uint64_t status = 0; status < 64; ++status) {
    const bool external = status >= 0x13 && status <= 0x17;
    const bool parity = status >= 0x1b && status <= 0x1f;
    const auto level = syndrome::FailedWalkLevel(0x92000000 | status);
    EXPECT_EQ(level.has_value(), external || parity) << status;
    EXPECT_EQ(level.value_or(0), level ? static_cast<int>(status) - (external ? 0x14 : 0x1c) : 0);
    EXPECT_EQ(syndrome::IsSynchronousError(0x92000000 | status),
              external || parity || status == 0x10 || status == 0x18)
        << status;
  }
}

}  // namespace
}  // namespace seaward::vmm
