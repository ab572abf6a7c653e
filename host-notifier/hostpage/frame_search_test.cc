#include "host-notifier/hostpage/frame_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "host-notifier/hostpage/page_frames.h"

namespace seaward {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;

// What the kernel leaves behind when it retires a frame: SWP_HWPOISON of a common configuration.
constexpr std::uint64_t Poisoned(std::uint64_t frame) {
  return kSwapped | frame << 5 | 23;
}

TEST(FrameSearch, EntriesThatNameAFrame) {
  const PageFrame frame{0x4711};
  EXPECT_TRUE(EntryNames(kPresent | 0x4711, frame));
  EXPECT_TRUE(
      EntryNames(kPresent | std::uint64_t{1} << 61 | std::uint64_t{1} << 56 | 0x4711, frame))
      << "of a file, exclusively mapped";
  EXPECT_FALSE(EntryNames(kPresent | 0x4712, frame));
  EXPECT_FALSE(EntryNames(0x4711, frame)) << "nothing there";
  EXPECT_TRUE(EntryNames(Poisoned(0x4711), frame));
  EXPECT_FALSE(EntryNames(Poisoned(0x4712), frame));
  EXPECT_FALSE(EntryNames(kSwapped | 0x4711 << 5 | 1, frame)) << "swapped out to this offset";
  EXPECT_FALSE(EntryNames(kPresent, PageFrame{0})) << "hidden from who is not root";
}

// A /proc with one process, whose pagemap is a file of ours.
class FrameSearchTest : public ::testing::Test {
 protected:
  FrameSearchTest() {
    std::string pattern = "/tmp/swf.XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directory(root_ + "/77");
    std::ofstream(root_ + "/77/stat")
        << "77 (qemu (1) x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5000 0 0\n";
    Maps(
        "10000-14000 rw-p 00000000 00:00 0 \n"
        "20000-21000 r--p 00000000 08:01 99 /bin/x y\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n");
    std::filesystem::resize_file(Pagemap(), 0x30 * 8);
  }
  ~FrameSearchTest() override { std::filesystem::remove_all(root_); }

  std::string Pagemap() {
    std::ofstream(root_ + "/77/pagemap", std::ios::app);
    return root_ + "/77/pagemap";
  }
  void Maps(const std::string& text) { std::ofstream(root_ + "/77/maps") << text; }
  void Entry(std::uint64_t address, std::uint64_t entry) {
    std::fstream file(Pagemap(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(address / kPage * 8));
    file.write(reinterpret_cast<const char*>(&entry), 8);
  }
  Result<std::vector<HostVirtAddr>> Find(
      std::uint64_t frame, const FrameSearchLimits& limits = {},
      std::function<bool()> give_up = [] { return false; }) {
    return FindFrame(qemu_, PageFrame{frame}, give_up, limits, root_);
  }

  std::string root_;
  ProcessIdentity qemu_{77, 5000};
};

TEST_F(FrameSearchTest, FindsEveryPlaceOfAFrameAndNoOther) {
  Entry(0x10000, kPresent | 5);
  Entry(0x13000, kPresent | 9);
  Entry(0x20000, Poisoned(9));
  Entry(0x14000, kPresent | 9);  // beside every mapping
  EXPECT_THAT(Find(9).value(), ElementsAre(HostVirtAddr{0x13000}, HostVirtAddr{0x20000}));
  EXPECT_THAT(Find(5).value(), ElementsAre(HostVirtAddr{0x10000}));
  EXPECT_THAT(Find(6).value(), IsEmpty());
}

TEST_F(FrameSearchTest, GivesUpWhenItIsToldToAndAtItsLimit) {
  Entry(0x13000, kPresent | 9);
  EXPECT_EQ(Find(9, {}, [] { return true; }).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(Find(9, {.entries = 3}).error().code, ErrorCode::kTimeout);
  EXPECT_TRUE(Find(9, {.entries = 5}));
  Entry(0x10000, kPresent | 9);
  EXPECT_THAT(Find(9, {.places = 1}).value(), ElementsAre(HostVirtAddr{0x10000}));
}

TEST_F(FrameSearchTest, AnotherProcessUnderThePidIsNotSearched) {
  Entry(0x13000, kPresent | 9);
  qemu_.start_ticks = 4999;
  EXPECT_EQ(Find(9).error().code, ErrorCode::kNotFound);
}

TEST_F(FrameSearchTest, OddLinesOfMapsAreSkipped) {
  Entry(0x13000, kPresent | 9);
  Maps("\nzz-yy\n10000\n14000-10000 rw-p\n10000-14000 rw-p 0 0 0");
  EXPECT_THAT(Find(9).value(), ElementsAre(HostVirtAddr{0x13000}));
}

TEST(FrameSearch, FindsAPageOfThisProcess) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's shadow is terabytes to search";
#endif
  if (::geteuid() != 0) GTEST_SKIP() << "only root learns which frame is behind a page";
  void* memory = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *static_cast<volatile char*>(memory) = 1;
  const auto self = IdentifyProcess(::getpid(), "/proc");
  ASSERT_TRUE(self);
  const HostVirtAddr address{reinterpret_cast<std::uint64_t>(memory)};
  const auto frame = FrameBehind(*self, address);
  if (!frame) GTEST_SKIP() << "this kernel names no frames";
  EXPECT_THAT(FindFrame(*self, *frame, [] { return false; }).value(), ElementsAre(address));
  ::munmap(memory, kPage);
}

}  // namespace
}  // namespace seaward
