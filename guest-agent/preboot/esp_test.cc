#include "guest-agent/preboot/esp.h"

#include "guest-agent/preboot/boot_root_fixture.h"

namespace seaward::agent {
namespace {

using EspTest = BootRoot;

TEST_F(EspTest, FindsTheMountAndItsPartition) {
  const auto esp = FindEsp(places_.roots, root_ + "/esp");
  ASSERT_TRUE(esp) << esp.error().Text();
  EXPECT_EQ(esp->device, "254:1");
  const auto partition = PartitionOf(places_.roots, *esp);
  ASSERT_TRUE(partition) << partition.error().Text();
  EXPECT_EQ(partition->number, 1U);
  EXPECT_EQ(partition->first_block, 2048U);
  EXPECT_EQ(partition->blocks, 131072U);
  // 00010203-0405-0607-0809-..., three fields turned
  const std::array<std::byte, 8> head{std::byte{3}, std::byte{2}, std::byte{1}, std::byte{0},
                                      std::byte{5}, std::byte{4}, std::byte{7}, std::byte{6}};
  EXPECT_TRUE(std::equal(head.begin(), head.end(), partition->guid.begin()));
  EXPECT_EQ(partition->guid[8], std::byte{8});
}

TEST_F(EspTest, CountsTheBlocksOfTheDisk) {
  Holds("/sys/devices/pci/virtio0/block/vda/queue/logical_block_size", "4096\n");
  const auto partition = PartitionOf(places_.roots, FindEsp(places_.roots, places_.esp).value());
  ASSERT_TRUE(partition);
  EXPECT_EQ(partition->first_block, 256U);
  EXPECT_EQ(partition->blocks, 16384U);
}

TEST_F(EspTest, AsksUdevWhereTheKernelDoesNotSay) {
  Holds("/sys/devices/pci/virtio0/block/vda/vda1/uevent", "DEVNAME=vda1\n");
  const auto esp = FindEsp(places_.roots, places_.esp).value();
  EXPECT_EQ(PartitionOf(places_.roots, esp).error().code, ErrorCode::kUnsupported);
  const std::string links = root_ + "/dev/disk/by-partuuid";
  std::filesystem::create_directories(links);
  std::filesystem::create_symlink("../../vda2", links + "/ff010203-0405-0607-0809-0a0b0c0d0e0f");
  std::filesystem::create_symlink("../../vda1", links + "/aa010203-0405-0607-0809-0a0b0c0d0e0f");
  const auto partition = PartitionOf(places_.roots, esp);
  ASSERT_TRUE(partition);
  EXPECT_EQ(partition->guid[3], std::byte{0xaa});
}

TEST_F(EspTest, SaysWhatIsNotOne) {
  EXPECT_EQ(FindEsp(places_.roots, "/").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(FindEsp(places_.roots, "/nowhere").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(FindEsp(places_.roots, "auto").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(PartitionOf(places_.roots, {"/x", "1:1"}).error().code, ErrorCode::kUnsupported);
  std::filesystem::remove(root_ + "/sys/devices/pci/virtio0/block/vda/vda1/partition");
  EXPECT_EQ(PartitionOf(places_.roots, {"/x", "254:1"}).error().code, ErrorCode::kUnsupported);
}

TEST_F(EspTest, TakesTheFirstUsualPlaceThatIsFat) {
  Holds("/proc/self/mountinfo",
        "30 1 254:3 / /boot rw - vfat /dev/vda3 rw\n"
        "31 1 254:2 / /boot/efi rw - ext4 /dev/vda2 rw\n"
        "32 31 0:40 / /efi rw shared:3 master:2 - autofs systemd-1 rw\n"
        "33 32 254:1 / /efi rw - vfat /dev/vda1 rw\n");
  const auto esp = FindEsp(places_.roots, "auto");
  ASSERT_TRUE(esp);
  EXPECT_EQ(esp->folder, "/efi");
  EXPECT_EQ(esp->device, "254:1");
}

}  // namespace
}  // namespace seaward::agent
