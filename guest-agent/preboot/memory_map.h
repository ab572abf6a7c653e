// /proc/iomem as the list for the next boot needs it: which memory could be listed, and where the
// next kernel finds room. Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "guest-agent/pages/memory_layout.h"

namespace seaward::agent {

class PrebootMap {
 public:
  // Fails as MemoryLayout::Parse does.
  static Result<PrebootMap> Parse(std::string_view iomem);

  // One role for all of `range`; nothing when it lies across a border.
  std::optional<MemoryRole> RoleOf(const ByteRange& range) const;
  // Inside System RAM, and yet set aside: by the kernel for itself, or for a table of the firmware.
  bool Reserved(const ByteRange& range) const;
  // The runs of System RAM, touching ones as one.
  const std::vector<ByteRange>& ram() const { return ram_; }

 private:
  std::vector<LayoutPiece> pieces_;
  std::vector<ByteRange> ram_;
  std::vector<ByteRange> reserved_;
};

}  // namespace seaward::agent
