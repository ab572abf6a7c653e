// /proc/iomem, read as root: which guest physical memory the kernel runs on, and which it was kept
// away from before it started. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace seaward::agent {

enum class MemoryRole {
  kSystemRam,
  // RAM, but marked unusable or reserved in the firmware's map or the device tree: the kernel never
  // had it.
  kWithheld,
  kNotRam,  // a hole or a device
};

struct LayoutPiece {
  ByteRange range;
  MemoryRole role;
  bool operator==(const LayoutPiece&) const = default;
};

class MemoryLayout {
 public:
  // kDenied when the text shows no address of System RAM (what a reader without CAP_SYS_ADMIN gets
  // is all zeros); kInvalid for text that is no iomem at all. Lines that cannot be read are passed
  // over: the kernel may add to the format.
  static Result<MemoryLayout> Parse(std::string_view iomem);

  // `range` cut into pieces of one role each, in order, covering it completely.
  std::vector<LayoutPiece> Split(const ByteRange& range) const;
  MemoryRole RoleAt(GuestPhysAddr address) const;
  std::uint64_t system_ram_bytes() const;

 private:
  std::vector<LayoutPiece> pieces_;  // sorted, disjoint, never kNotRam
};

}  // namespace seaward::agent
