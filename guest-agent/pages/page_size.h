// The guest kernel's page size, and how addresses, frames and ranges meet it.
#pragma once

#include <cstdint>

#include "base/units.h"

namespace seaward::agent {

// Bytes; a power of two of at least kPoisonGranule: 4, 16 or 64 KiB on arm64, 4 KiB on x86-64.
struct PageSize {
  std::uint64_t bytes = 4096;
  bool operator==(const PageSize&) const = default;
};

inline PageFrame FrameOf(GuestPhysAddr address, PageSize size) {
  return PageFrame{address.value / size.bytes};
}
inline GuestPhysAddr AddressOf(PageFrame frame, PageSize size) {
  return GuestPhysAddr{frame.number * size.bytes};
}
// The whole pages that `range` touches.
inline ByteRange PagesAround(const ByteRange& range, PageSize size) {
  return range.AlignedTo(size.bytes);
}

}  // namespace seaward::agent
