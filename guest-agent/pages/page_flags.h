// What /proc/kpageflags says of a page frame, and what the agent concludes from it. Pure.
// Bit numbers: Linux include/uapi/linux/kernel-page-flags.h and, from 32 on,
// include/linux/kernel-page-flags.h (shown to root only).
#pragma once

#include <cstdint>

#include "protocol/messages.h"

namespace seaward::agent {

enum class PageFlag : unsigned {
  kLru = 5,
  kSlab = 7,
  kBuddy = 10,
  kMapped = 11,
  kAnonymous = 12,
  kSwapCache = 13,
  kCompoundHead = 15,
  kCompoundTail = 16,
  kHugetlb = 17,
  kUnevictable = 18,
  kHwpoison = 19,
  kNoPage = 20,
  kKsm = 21,
  kTransparentHuge = 22,
  kOffline = 23,
  kZeroPage = 24,
  kPageTable = 26,
  kReserved = 32,
};

struct PageFlags {
  std::uint64_t bits = 0;

  bool Has(PageFlag flag) const { return (bits >> static_cast<unsigned>(flag)) & 1; }
  PageFlags With(PageFlag flag) const {
    return PageFlags{bits | std::uint64_t{1} << static_cast<unsigned>(flag)};
  }
  PageFlags Without(PageFlag flag) const {
    return PageFlags{bits & ~(std::uint64_t{1} << static_cast<unsigned>(flag))};
  }
  bool operator==(const PageFlags&) const = default;
};

// kUnknown for a page without a telling flag: a kernel allocation, or (before Linux 6.19) any but
// the first page of a free block.
protocol::PageKind KindOf(PageFlags flags);

// The kernel's own: slab, page table, kernel image, memory reserved since boot. Such a page keeps
// being used whatever its HWPOISON flag says.
bool UsedByKernel(PageFlags flags);

// A process, the page cache or the free list holds it: pages that the kernel can give up.
bool Reclaimable(protocol::PageKind kind);

// Flagged HWPOISON, off every list and in no page table: it was given up and caught.
bool PoisonedAndUnused(PageFlags flags);

}  // namespace seaward::agent
