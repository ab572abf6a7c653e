#include "tests/support/guest_files.h"

#include <fmt/format.h>

#include <sstream>

namespace seaward::testing {

// "40210000-4131ffff : Kernel code", one per line; what lies inside another is indented.
std::optional<ByteRange> FindInIomem(const std::string& iomem, std::string_view name,
                                     std::optional<GuestPhysAddr> page) {
  std::istringstream lines(iomem);
  const std::string end = fmt::format(" : {}", name);
  for (std::string line; std::getline(lines, line);) {
    if (!line.ends_with(end)) continue;
    std::size_t dash = 0;
    const std::uint64_t first = std::stoull(line, &dash, 16);
    const std::uint64_t last = std::stoull(line.substr(dash + 1), nullptr, 16);
    const auto range = ByteRange::Make(GuestPhysAddr{first}, last - first + 1);
    if (range && (!page || range->Contains(*page))) return *range;
  }
  return std::nullopt;
}

bool ListBeginsRangeAt(const std::string& hex, GuestPhysAddr page) {
  // Little-endian, as it stands in the file.
  std::string wanted;
  for (int shift = 0; shift < 64; shift += 8)
    wanted += fmt::format("{:02x}", page.value >> shift & 0xff);
  return hex.find(wanted) != std::string::npos;
}

}  // namespace seaward::testing
