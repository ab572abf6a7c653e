#include "host-notifier/vmm/own_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/unique_fd.h"

namespace seaward::vmm {
namespace {

class OwnMemory : public testing::Test {
 protected:
  // One page of a file, or, with `file_pages` 0, a page beyond its end: touching it is SIGBUS.
  std::byte* Map(int protection, int file_pages = 1) {
    const UniqueFd file(::memfd_create("own-memory-test", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(file.get(), file_pages * static_cast<off_t>(size_)), 0);
    void* page = ::mmap(nullptr, size_, protection, MAP_SHARED, file.get(), 0);
    EXPECT_NE(page, MAP_FAILED);
    pages_.push_back(page);
    return static_cast<std::byte*>(page);
  }
  ~OwnMemory() override {
    for (void* page : pages_) ::munmap(page, size_);
  }
  static bool Reads(const void* from, std::array<std::byte, 8>& to) {
    return ReadOwnMemory(HostVirtAddr{reinterpret_cast<std::uintptr_t>(from)}, to);
  }

  const std::size_t size_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<void*> pages_;
};

TEST_F(OwnMemory, IsCopied) {
  std::byte* page = Map(PROT_READ | PROT_WRITE);
  std::memcpy(page + 16, "descript", 8);
  std::array<std::byte, 8> word{};
  ASSERT_TRUE(Reads(page + 16, word));
  EXPECT_EQ(std::memcmp(word.data(), "descript", 8), 0);
}

TEST_F(OwnMemory, ThatCannotBeReadIsNoSignal) {
  std::array<std::byte, 8> word{};
  EXPECT_FALSE(Reads(Map(PROT_READ | PROT_WRITE, 0), word)) << "beyond the end of the file";
  EXPECT_FALSE(Reads(Map(PROT_NONE), word)) << "no right to read";
  EXPECT_FALSE(Reads(nullptr, word)) << "nothing there";
  EXPECT_FALSE(ReadOwnMemory(HostVirtAddr{~std::uint64_t{7}}, word)) << "no user address";
}

}  // namespace
}  // namespace seaward::vmm
