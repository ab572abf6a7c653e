#include "tests/support/testd/process_memory.h"

#include <linux/mman.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "base/unique_fd.h"

namespace seaward::testd {
namespace {

// arm64 with 4 KiB pages has huge pages of 64 KiB, 2 MiB, 32 MiB, 1 GiB: the smallest is cheap.
constexpr unsigned kHugeShift = 16;

std::byte* Checked(void* area) {
  return area == MAP_FAILED ? nullptr : static_cast<std::byte*>(area);
}

std::byte* MapTmpfs(std::uint64_t bytes) {
  const UniqueFd file(::memfd_create("victim", MFD_CLOEXEC));
  if (!file.valid() || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return nullptr;
  return Checked(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
}

std::byte* MapHugetlb(std::uint64_t bytes) {
  const std::uint64_t huge = std::uint64_t{1} << kHugeShift;
  const int flags =
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | static_cast<int>(kHugeShift << MAP_HUGE_SHIFT);
  return Checked(
      ::mmap(nullptr, (bytes + huge - 1) / huge * huge, PROT_READ | PROT_WRITE, flags, -1, 0));
}

}  // namespace

Result<MemoryKind> ParseMemoryKind(std::string_view text) {
  if (text == "anonymous") return MemoryKind::kAnonymous;
  if (text == "tmpfs") return MemoryKind::kTmpfs;
  if (text == "hugetlb") return MemoryKind::kHugetlb;
  return Fail(ErrorCode::kInvalid, "memory: anonymous | tmpfs | hugetlb");
}

std::byte* MapAnonymous(std::uint64_t bytes) {
  std::byte* area = Checked(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  // Pages one by one: each is given out by the allocator.
  if (area != nullptr) ::madvise(area, bytes, MADV_NOHUGEPAGE);
  return area;
}

std::byte* MapMemory(MemoryKind kind, std::uint64_t bytes) {
  switch (kind) {
    case MemoryKind::kAnonymous:
      return MapAnonymous(bytes);
    case MemoryKind::kTmpfs:
      return MapTmpfs(bytes);
    case MemoryKind::kHugetlb:
      return MapHugetlb(bytes);
  }
  return nullptr;
}

}  // namespace seaward::testd
