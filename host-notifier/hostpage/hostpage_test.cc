#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/file_io.h"
#include "host-notifier/hostpage/host_retire_plan.h"
#include "host-notifier/hostpage/page_frames.h"

namespace seaward {
namespace {

using config::HostRetire;

// A /proc with one process in it.
class FakeProc : public testing::Test {
 protected:
  FakeProc() {
    std::string pattern = "/tmp/swh.XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(root_ + "/7");
    std::ofstream stat(root_ + "/7/stat");
    stat << "7 (qemu) S";  // fields 2 and 3
    for (int field = 4; field < 22; ++field) stat << " 0";
    stat << " 88 0 0\n";
  }
  ~FakeProc() override { std::filesystem::remove_all(root_); }

  ProcessIdentity Vmm() const { return IdentifyProcess(7, root_).value(); }
  void MapPage(std::uint64_t address, std::uint64_t entry) {
    std::fstream file(root_ + "/7/pagemap",
                      std::ios::binary | std::ios::out | std::ios::in | std::ios::app);
    file.close();
    std::filesystem::resize_file(root_ + "/7/pagemap", 1 << 16);
    file.open(root_ + "/7/pagemap", std::ios::binary | std::ios::out | std::ios::in);
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    file.seekp(static_cast<std::streamoff>(address / page * 8));
    for (int i = 0; i < 8; ++i) file.put(static_cast<char>(entry >> (8 * i)));
  }
  std::string root_;
};

constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;

TEST_F(FakeProc, ReadsTheFrameOfAPresentPage) {
  MapPage(0x400000, kPresent | (std::uint64_t{1} << 55) | 0x12345);
  EXPECT_EQ(FrameBehind(Vmm(), HostVirtAddr{0x400123}, root_), PageFrame{0x12345});
}

TEST_F(FakeProc, SaysNothingWhereNothingIsCertain) {
  MapPage(0x400000, 0x12345);   // not present
  MapPage(0x500000, kPresent);  // the frame is hidden from us
  EXPECT_EQ(FrameBehind(Vmm(), HostVirtAddr{0x400000}, root_), std::nullopt);
  EXPECT_EQ(FrameBehind(Vmm(), HostVirtAddr{0x500000}, root_), std::nullopt);
  EXPECT_EQ(FrameBehind(Vmm(), HostVirtAddr{0x7f0000000000}, root_), std::nullopt);
  EXPECT_EQ(FrameBehind(Vmm(), HostVirtAddr{0}, root_), std::nullopt);
}

TEST_F(FakeProc, SeesWhetherAnotherFrameIsInItsPlace) {
  constexpr PageFrame kBad{0x12345};
  const auto replaced = [&] { return IsReplaced(Vmm(), HostVirtAddr{0x400000}, kBad, root_); };
  MapPage(0x400000, kPresent | 0x12345);
  EXPECT_FALSE(replaced());
  MapPage(0x400000, kPresent | 0x54321);
  EXPECT_TRUE(replaced());
  MapPage(0x400000, 0);
  EXPECT_TRUE(replaced()) << "nothing is there: the next touch gets a new frame";
  MapPage(0x400000, std::uint64_t{1} << 62 | 0x12345);
  EXPECT_FALSE(replaced()) << "swapped out, or what the host leaves where it retired a frame";
  MapPage(0x400000, kPresent);
  EXPECT_FALSE(replaced()) << "the frame is hidden from us";
  ProcessIdentity earlier = Vmm();
  ++earlier.start_ticks;
  EXPECT_FALSE(IsReplaced(earlier, HostVirtAddr{0x400000}, kBad, root_));
  EXPECT_FALSE(IsReplaced(Vmm(), HostVirtAddr{0x7f0000000000}, kBad, root_)) << "no such entry";
}

TEST_F(FakeProc, DoesNotBelieveAPidThatIsUsedAgain) {
  MapPage(0x400000, kPresent | 0x12345);
  ProcessIdentity earlier = Vmm();
  ++earlier.start_ticks;
  EXPECT_EQ(FrameBehind(earlier, HostVirtAddr{0x400000}, root_), std::nullopt);
  EXPECT_EQ(FrameBehind({9, 88}, HostVirtAddr{0x400000}, root_), std::nullopt);
}

// With CAP_SYS_ADMIN the kernel tells frames, otherwise it hides them: both are checked.
TEST(FrameBehind, AsksTheKernelAboutThisProcess) {
  const auto self = IdentifyProcess(::getpid(), "/proc");
  ASSERT_TRUE(self);
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  auto* pages = static_cast<char*>(
      ::mmap(nullptr, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const auto frame_of = [&](const char* page) {
    return FrameBehind(*self, HostVirtAddr{reinterpret_cast<std::uint64_t>(page)});
  };
  EXPECT_EQ(frame_of(pages), std::nullopt) << "never touched";
  pages[0] = pages[size] = 1;
  const auto first = frame_of(pages);
  const auto second = frame_of(pages + size);
  EXPECT_EQ(first.has_value(), second.has_value());
  EXPECT_TRUE(!first || first != second);
  ::munmap(pages, 2 * size);
}

TEST_F(FakeProc, WritesTheFramesAddressOnce) {
  const std::string path = root_ + "/hard_offline_page";
  EXPECT_EQ(RetireFrame(PageFrame{0x12345}, path).error().code, ErrorCode::kNotFound)
      << "never creates the file";
  std::ofstream(path).close();
  ASSERT_TRUE(RetireFrame(PageFrame{0x12345}, path));
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  EXPECT_EQ(ReadTextFile(path, 100).value(), FormatAddress(0x12345 * page));
}

TEST(RetireFrame, KeepsTheKernelsReason) {
  // /dev/full refuses every write, as hard_offline_page refuses a frame.
  const auto refused = RetireFrame(PageFrame{1}, "/dev/full");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sys_errno, ENOSPC);
}

TEST(HostRetirePlan, FollowsModeAndDomainInEveryCell) {
  struct Row {
    HostRetire mode;
    bool has_ghes;
    bool exit, held_exit, out_of_use, still_in_use, vm_ended;
  };
  const Row rows[] = {
      {HostRetire::kAuto, true, false, true, true, true, true},
      {HostRetire::kAuto, false, false, false, false, false, true},
      {HostRetire::kAfterVerdict, true, false, false, true, false, true},
      {HostRetire::kAfterVerdict, false, false, false, true, false, true},
      {HostRetire::kAtEnd, true, false, false, false, false, true},
      {HostRetire::kAtEnd, false, false, false, false, false, true},
      {HostRetire::kOff, true, false, false, false, false, false},
      {HostRetire::kOff, false, false, false, false, false, false},
  };
  for (const Row& row : rows) {
    const auto at = [&](RetireMoment moment) {
      return RetiresFrameAt(moment, row.mode, row.has_ghes);
    };
    const auto name = config::ToString(row.mode);
    EXPECT_EQ(at(RetireMoment::kExit), row.exit) << name << row.has_ghes;
    EXPECT_EQ(at(RetireMoment::kHeldExit), row.held_exit) << name << row.has_ghes;
    EXPECT_EQ(at(RetireMoment::kOutOfUse), row.out_of_use) << name << row.has_ghes;
    EXPECT_EQ(at(RetireMoment::kStillInUse), row.still_in_use) << name << row.has_ghes;
    EXPECT_EQ(at(RetireMoment::kVmEnded), row.vm_ended) << name << row.has_ghes;
    EXPECT_EQ(at(RetireMoment::kReplaced), row.vm_ended) << name << row.has_ghes;
  }
}

}  // namespace
}  // namespace seaward
