// What a test reads out of a guest's files; shares no code with the agent, whose word it checks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace seaward::testing {

// The first range in the text of /proc/iomem whose name is `name` and, when given, around `page`.
std::optional<ByteRange> FindInIomem(const std::string& iomem, std::string_view name,
                                     std::optional<GuestPhysAddr> page = std::nullopt);

// Whether a next-boot list, as `read_hex` prints its bytes, has a range that begins at `page`.
bool ListBeginsRangeAt(const std::string& hex, GuestPhysAddr page);

}  // namespace seaward::testing
