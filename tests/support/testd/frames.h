// What this kernel says about its own page frames. Needs root (CAP_SYS_ADMIN: without it pagemap
// shows no frame numbers). Single-threaded callers.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace seaward::testd {

// The kernel's own page size, bytes.
std::uint64_t PageSize();
GuestPhysAddr AddressOf(PageFrame frame);
PageFrame FrameAt(GuestPhysAddr addr);

// Bit numbers of /proc/kpageflags: Linux include/uapi/linux/kernel-page-flags.h.
enum class FrameFlag : unsigned {
  kLru = 5,
  kSlab = 7,
  kBuddy = 10,
  kMmap = 11,
  kAnon = 12,
  kHead = 15,
  kTail = 16,
  kHuge = 17,
  kHwpoison = 19,
  kNoPage = 20,
  kThp = 22,
  kPageTable = 26,
  kReserved = 32,
};
bool Has(std::uint64_t flags, FrameFlag flag);
// Names of the flags above that are set, for people and tests.
std::vector<std::string> FlagNames(std::uint64_t flags);
// The one that FlagNames calls so.
Result<FrameFlag> ParseFlag(const std::string& name);

// `count` flag words from `first` on; fewer when the file ends.
Result<std::vector<std::uint64_t>> ReadFlags(PageFrame first, std::uint64_t count);

// The frame behind an address of this process; nullopt when nothing is mapped there.
Result<std::optional<PageFrame>> FrameOf(const void* address);
// The same for `count` consecutive pages; an unmapped page gives frame 0.
Result<std::vector<PageFrame>> FramesOf(const void* address, std::uint64_t count);

// One page of a process, by its entry in /proc/PID/pagemap.
struct MappedPage {
  bool untouched = true;  // neither present nor swapped out
  PageFrame frame;        // 0: not present
};
// `count` consecutive pages of process `pid` from `address` on.
Result<std::vector<MappedPage>> PagesOf(pid_t pid, std::uint64_t address, std::uint64_t count);

// The "System RAM" ranges of /proc/iomem.
Result<std::vector<ByteRange>> SystemRam();
// Every maximal run of frames that lie in the buddy allocator now.
Result<std::vector<ByteRange>> FreeRanges();

}  // namespace seaward::testd
