#include "tests/lab/poison/machine_ram.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace seaward::lab {
namespace {

constexpr HostPhysAddr kBase{0x40000000};

class MachineRamTest : public testing::Test {
 protected:
  MachineRamTest() : fd_(::mkstemp(path_)) { EXPECT_EQ(::ftruncate(fd_.get(), 1 << 20), 0); }
  ~MachineRamTest() override { ::unlink(path_); }
  MachineRam Open() { return MachineRam::Open(path_, kBase).value(); }

 private:
  char path_[32] = "/tmp/seaward-ram-XXXXXX";
  UniqueFd fd_;
};

TEST_F(MachineRamTest, FindsWordsOnlyAtTheirSlotOfATable) {
  MachineRam ram = Open();
  const HostPhysAddr table{kBase.value + 0x3000};
  ASSERT_TRUE(ram.Store({table.value + 8 * 72}, 0xabc));
  ASSERT_TRUE(ram.Store({table.value + 8 * 73}, 0xabc));
  const auto found = ram.FindInTables(72, [](std::uint64_t w) { return w == 0xabc; });
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].value, table.value + 8 * 72);
}

TEST_F(MachineRamTest, ExchangesOnlyTheExpectedWord) {
  MachineRam ram = Open();
  ASSERT_TRUE(ram.Store(kBase, 7));
  EXPECT_FALSE(ram.Exchange(kBase, 6, 1).value());
  EXPECT_TRUE(ram.Exchange(kBase, 7, 1).value());
  EXPECT_EQ(ram.Load(kBase).value(), 1u);
}

TEST_F(MachineRamTest, RefusesAddressesOutside) {
  MachineRam ram = Open();
  EXPECT_FALSE(ram.Load({kBase.value - 8}));
  EXPECT_FALSE(ram.Load({kBase.value + (1 << 20)}));
  EXPECT_FALSE(ram.Store({kBase.value + 4}, 1));
  EXPECT_FALSE(ram.Load({~std::uint64_t{7}}));
}

}  // namespace
}  // namespace seaward::lab
