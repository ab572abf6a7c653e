// Table-walk aborts through the whole interposer.
#include "host-notifier/vmm/table_location.h"

#include <gtest/gtest.h>

#include "host-notifier/vmm/vmm_fixture.h"

namespace seaward::vmm {
namespace {

constexpr std::uint64_t kGva = 0x40412018;  // level 1 index 1, level 2 index 2, level 3 index 0x12
constexpr std::uint64_t kTable1 = kGuestRam + 0x10000;
constexpr std::uint64_t kTable2 = kGuestRam + 0x11000;
constexpr std::uint64_t kTable3 = kGuestRam + 0x12000;

class TableWalk : public InterposedVmm {
 protected:
  TableWalk() {
    kvm_.registers_ = {
        {RegisterId::kPstate, 0},   {RegisterId::kTtbr0El1, kTable1},
        {RegisterId::kTtbr1El1, 0}, {RegisterId::kTcrEl1, 25 | 25 << 16 | std::uint64_t{2} << 30},
        {RegisterId::kSctlrEl1, 1}, {RegisterId::kIdAa64Mmfr0El1, 0}};
    kvm_.words_[InVmm(kTable1 + 8)] = kTable2 | 3;
    kvm_.words_[InVmm(kTable2 + 16)] = kTable3 | 3;
  }
  static std::uint64_t InVmm(std::uint64_t gpa) { return gpa - kGuestRam + kHostRam; }
  SeaExit WalkFails(std::uint64_t esr, std::uint64_t gva = kGva) {
    RunStep step = SeaAt(0, esr);
    step.sea.flags = 0;
    step.sea.gva = gva;
    kvm_.steps_ = {step, RunStep{}};
    EXPECT_EQ(Run(11), 0);
    return sink().exits.back().second;
  }
};

TEST_F(TableWalk, IsLocatedInTheTableThatTheFailedLevelReads) {
  StartVm();
  const struct {
    std::uint64_t status, table;
  } rows[] = {{0x15, kTable1}, {0x16, kTable2}, {0x17, kTable3},
              {0x1d, kTable1}, {0x1e, kTable2}, {0x1f, kTable3}};
  for (const auto& row : rows) {
    const SeaExit exit = WalkFails(0x92000000 | row.status);
    EXPECT_TRUE(exit.walked) << row.status;
    EXPECT_EQ(exit.gpa.value, row.table) << row.status;
    EXPECT_EQ(exit.hva.value, InVmm(row.table)) << row.status;
    EXPECT_EQ(exit.flags, 0u) << "what KVM said stays";
  }
}

TEST_F(TableWalk, NeverReadsTheTableThatFailed) {
  StartVm();
  WalkFails(0x92000016);
  EXPECT_EQ(kvm_.reads_, std::vector<std::uint64_t>{InVmm(kTable1 + 8)});
}

TEST_F(TableWalk, IsUnlocatedWithoutAValidAddress) {
  StartVm();
  EXPECT_FALSE(WalkFails(0x92000417).walked);
  EXPECT_TRUE(kvm_.reads_.empty());
}

TEST_F(TableWalk, LeavesOtherAbortsAlone) {
  StartVm();
  EXPECT_FALSE(WalkFails(0x92000010).walked) << "a plain abort for which KVM had no address";
  kvm_.steps_ = {SeaAt(kGuestRam, 0x92000017), RunStep{}};
  Run(11);
  EXPECT_FALSE(sink().exits.back().second.walked) << "KVM gave an address after all";
  EXPECT_EQ(sink().exits.back().second.gpa.value, kGuestRam);
  EXPECT_TRUE(kvm_.reads_.empty());
}

TEST_F(TableWalk, IsUnlocatedWhereTheWalkLeavesTheMemory) {
  StartVm();
  kvm_.words_.erase(InVmm(kTable1 + 8));
  EXPECT_FALSE(WalkFails(0x92000017).walked) << "the table's page cannot be read";
  kvm_.words_[InVmm(kTable1 + 8)] = 0x1000 | 3;
  EXPECT_FALSE(WalkFails(0x92000016).walked) << "the table is no memory of this VM";
  EXPECT_FALSE(WalkFails(0x92000017).walked);
}

TEST_F(TableWalk, IsUnlocatedForGuestsWithOtherTables) {
  StartVm();
  InitVcpu(11, 1 << kvm::kFeatureEl1Is32Bit);
  EXPECT_FALSE(WalkFails(0x92000017).walked);
  InitVcpu(11, 1 << kvm::kFeatureHasEl2);
  EXPECT_FALSE(WalkFails(0x92000017).walked);
}

TEST_F(TableWalk, IsUnlocatedWhenARegisterCannotBeRead) {
  StartVm();
  const auto all = kvm_.registers_;
  for (const auto& [id, value] : all) {
    kvm_.registers_.erase(id);
    EXPECT_FALSE(WalkFails(0x92000017).walked) << static_cast<std::uint64_t>(id);
    kvm_.registers_ = all;
  }
  EXPECT_TRUE(WalkFails(0x92000017).walked);
}

}  // namespace
}  // namespace seaward::vmm
