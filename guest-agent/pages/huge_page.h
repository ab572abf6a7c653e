// Which hugetlb page holds a frame, how large it is, whether a process uses it: what retiring one
// page of it would cost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest-agent/pages/guest_memory.h"

namespace seaward::agent {

// The sizes of hugetlb pages that the kernel knows, bytes, ascending; `sys` is "/sys" outside of
// tests.
std::vector<std::uint64_t> HugePageSizes(const std::string& sys);

struct HugePage {
  ByteRange range;
  // A page that nobody has mapped is dissolved when it is retired, and only the bad page of it is
  // lost; one in use is lost as a whole.
  bool mapped = false;
};

// Nothing when no hugetlb page holds the frame, or none of the known sizes.
std::optional<HugePage> HugePageAt(GuestMemory& memory, PageFrame frame, PageSize page_size,
                                   const std::vector<std::uint64_t>& sizes);

}  // namespace seaward::agent
