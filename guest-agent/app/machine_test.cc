#include "guest-agent/app/machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace seaward::agent {
namespace {

class MachineTest : public testing::Test {
 protected:
  MachineTest() {
    char name[] = "/tmp/swmXXXXXX";
    root_ = ::mkdtemp(name);
    roots_ = SystemRoots{root_ + "/sys", root_ + "/proc", root_ + "/dev"};
  }
  ~MachineTest() override { std::filesystem::remove_all(root_); }
  void KernelShows(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string root_;
  SystemRoots roots_;
};

TEST_F(MachineTest, ReadsWhoItIs) {
  EXPECT_FALSE(ReadBootId(roots_));
  EXPECT_TRUE(ReadMachineUuid(roots_).IsNil());
  KernelShows("/proc/sys/kernel/random/boot_id", "c7a5fdbd-edaf-9455-926a-d65c16db1809\n");
  KernelShows("/sys/class/dmi/id/product_uuid", "00000000-0000-0000-0000-000000000001\n");
  EXPECT_EQ(FormatUuid(ReadBootId(roots_).value()), "c7a5fdbd-edaf-9455-926a-d65c16db1809");
  EXPECT_FALSE(ReadMachineUuid(roots_).IsNil());
}

TEST_F(MachineTest, KnowsACrashKernel) {
  EXPECT_FALSE(IsCrashKernel(roots_));
  KernelShows("/proc/vmcore", "");
  EXPECT_TRUE(IsCrashKernel(roots_));
}

TEST_F(MachineTest, ReadsHardwareCorrupted) {
  EXPECT_EQ(HardwareCorruptedBytes(roots_), 0u);
  KernelShows("/proc/meminfo", "MemTotal: 100 kB\nHardwareCorrupted:    12 kB\nFoo: 3 kB\n");
  EXPECT_EQ(HardwareCorruptedBytes(roots_), 12u * 1024);
}

TEST(RandomNumber, DoesNotRepeat) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(RandomNumber());
  EXPECT_EQ(seen.size(), 100u);
}

}  // namespace
}  // namespace seaward::agent
