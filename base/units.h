// Units are types. No bare integer address crosses a function boundary.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace seaward {

// KVM reports poison in 4 KiB units whatever the page sizes of host and guest
// (Linux Documentation/virt/kvm/api.rst, KVM_EXIT_ARM_SEA; facts of our spec, protocol/spec.md).
inline constexpr std::uint64_t kPoisonGranule = 4096;

struct GuestPhysAddr {
  std::uint64_t value = 0;
  auto operator<=>(const GuestPhysAddr&) const = default;
};

struct GuestVirtAddr {
  std::uint64_t value = 0;
  auto operator<=>(const GuestVirtAddr&) const = default;
};

// An address in the VMM process.
struct HostVirtAddr {
  std::uint64_t value = 0;
  auto operator<=>(const HostVirtAddr&) const = default;
};

// A page frame number of the kernel that it was read from, in that kernel's page size.
struct PageFrame {
  std::uint64_t number = 0;
  auto operator<=>(const PageFrame&) const = default;
};

// [start, start + length) of guest physical memory; never empty, never wraps.
class ByteRange {
 public:
  // kInvalid when length is 0 or the range would pass the end of the address space.
  static Result<ByteRange> Make(GuestPhysAddr start, std::uint64_t length);
  // The granule that holds `addr`.
  static ByteRange Granule(GuestPhysAddr addr) {
    return ByteRange(GuestPhysAddr{addr.value & ~(kPoisonGranule - 1)}, kPoisonGranule);
  }

  GuestPhysAddr start() const { return start_; }
  std::uint64_t length() const { return length_; }
  // First byte after the range; 0 when it ends at the very top.
  std::uint64_t end() const { return start_.value + length_; }
  std::uint64_t last() const { return start_.value + (length_ - 1); }
  bool Contains(GuestPhysAddr a) const { return a >= start_ && a.value <= last(); }
  bool Overlaps(const ByteRange& o) const {
    return start_.value <= o.last() && o.start_.value <= last();
  }
  // The smallest range of whole `granule`s (a power of two) around this one.
  ByteRange AlignedTo(std::uint64_t granule) const;

  auto operator<=>(const ByteRange&) const = default;

 private:
  ByteRange(GuestPhysAddr start, std::uint64_t length) : start_(start), length_(length) {}
  GuestPhysAddr start_;
  std::uint64_t length_;
};

// "0x" and lower-case hex without leading zeros: how addresses are written everywhere.
std::string FormatAddress(std::uint64_t address);
// Accepts 0x-prefixed hex only, so that a forgotten prefix is never read as decimal.
Result<std::uint64_t> ParseAddress(std::string_view text);

}  // namespace seaward
