#include "guest-agent/pages/guest_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>

#include "base/byte_codec.h"
#include "base/file_io.h"

namespace seaward::agent {
namespace {

// A guest with a thousand devices stays far below.
constexpr std::size_t kIomemCap = 1 << 20;
// The largest hugetlb page of arm64 with 64 KiB pages is 16 GiB: 2^18 frames; 4 KiB pages and
// 1 GiB need 2^18 as well.
constexpr unsigned kMaxHugeOrder = 18;

}  // namespace

ProcGuestMemory::ProcGuestMemory(const std::string& proc) : iomem_path_(proc + "/iomem") {
  if (auto fd = OpenFile(proc + "/kpageflags", O_RDONLY)) kpageflags_ = std::move(*fd);
  if (auto fd = OpenFile(proc + "/kpagecgroup", O_RDONLY)) kpagecgroup_ = std::move(*fd);
}

std::uint64_t ProcGuestMemory::CgroupOf(PageFrame frame) {
  std::array<std::byte, 8> entry;
  if (!kpagecgroup_.valid() || frame.number > std::numeric_limits<off_t>::max() / entry.size())
    return 0;
  const auto offset = static_cast<off_t>(frame.number * entry.size());
  const ssize_t n = ::pread(kpagecgroup_.get(), entry.data(), entry.size(), offset);
  return n == static_cast<ssize_t>(entry.size()) ? ByteReader(entry).Get<std::uint64_t>() : 0;
}

Result<PageFlags> ProcGuestMemory::FlagsOf(PageFrame frame) {
  if (!kpageflags_.valid()) return Fail(ErrorCode::kUnsupported, "kpageflags cannot be read");
  std::array<std::byte, 8> entry;
  if (frame.number > std::numeric_limits<off_t>::max() / entry.size())
    return PageFlags{}.With(PageFlag::kNoPage);
  const auto offset = static_cast<off_t>(frame.number * entry.size());
  ssize_t n = 0;
  do n = ::pread(kpageflags_.get(), entry.data(), entry.size(), offset);
  while (n < 0 && errno == EINTR);
  if (n < 0) return FailErrno(errno, "kpageflags");
  // Past the last frame of the machine the file ends.
  if (n < static_cast<ssize_t>(entry.size())) return PageFlags{}.With(PageFlag::kNoPage);
  // The kernel writes its own byte order; arm64 and x86-64 guests are little-endian.
  return PageFlags{ByteReader(entry).Get<std::uint64_t>()};
}

Result<MemoryLayout> ProcGuestMemory::ReadLayout() {
  auto text = ReadTextFile(iomem_path_, kIomemCap);
  if (!text) return Forward(text);
  return MemoryLayout::Parse(*text);
}

Result<PageFrame> HugePageHead(GuestMemory& memory, PageFrame frame) {
  for (unsigned order = 0; order <= kMaxHugeOrder; ++order) {
    const PageFrame head{frame.number & ~((std::uint64_t{1} << order) - 1)};
    auto flags = memory.FlagsOf(head);
    if (!flags) return Forward(flags);
    if (flags->Has(PageFlag::kHugetlb) && flags->Has(PageFlag::kCompoundHead)) return head;
  }
  return Fail(ErrorCode::kNotFound, "no hugetlb page holds the frame");
}

Result<PageFlags> HugePageFlags(GuestMemory& memory, PageFrame frame) {
  auto head = HugePageHead(memory, frame);
  if (!head) return Forward(head);
  return memory.FlagsOf(*head);
}

std::optional<PageFlags> LookAt(GuestMemory& memory, PageFrame frame) {
  return LookAt(memory, frame, memory.FlagsOf(frame));
}

std::optional<PageFlags> LookAt(GuestMemory& memory, PageFrame frame,
                                const Result<PageFlags>& own) {
  if (!own) return std::nullopt;
  if (own->Has(PageFlag::kHugetlb) && !own->Has(PageFlag::kHwpoison)) {
    if (const auto head = HugePageFlags(memory, frame)) return *head;
  }
  return *own;
}

}  // namespace seaward::agent
