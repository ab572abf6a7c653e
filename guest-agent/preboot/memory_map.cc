#include "guest-agent/preboot/memory_map.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace seaward::agent {
namespace {

constexpr std::uint64_t kTop = std::uint64_t{1} << 52;

// "  5c0a0000-5c0a0fff : reserved" below its System RAM: the range.
std::optional<ByteRange> ReservedBelowRam(std::string_view line) {
  if (!line.starts_with("  ")) return std::nullopt;
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::size_t colon = line.find(" : ");
  if (colon == std::string_view::npos || line.substr(colon + 3) != "reserved") return std::nullopt;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  const std::size_t dash = line.find('-');
  if (dash == std::string_view::npos || dash > colon) return std::nullopt;
  std::from_chars(line.data(), line.data() + dash, first, 16);
  std::from_chars(line.data() + dash + 1, line.data() + colon, last, 16);
  if (last <= first) return std::nullopt;
  auto range = ByteRange::Make(GuestPhysAddr{first}, last - first + 1);
  if (!range) return std::nullopt;
  return *range;
}

}  // namespace

Result<PrebootMap> PrebootMap::Parse(std::string_view iomem) {
  auto layout = MemoryLayout::Parse(iomem);
  if (!layout) return Forward(layout);
  PrebootMap map;
  map.pieces_ = layout->Split(ByteRange::Make(GuestPhysAddr{0}, kTop).value());
  for (const LayoutPiece& piece : map.pieces_) {
    if (piece.role != MemoryRole::kSystemRam) continue;
    const bool touches = !map.ram_.empty() && map.ram_.back().end() == piece.range.start().value;
    if (!touches) {
      map.ram_.push_back(piece.range);
      continue;
    }
    ByteRange& run = map.ram_.back();
    run = ByteRange::Make(run.start(), run.length() + piece.range.length()).value();
  }
  while (!iomem.empty()) {
    const std::size_t newline = std::min(iomem.find('\n'), iomem.size());
    if (const auto range = ReservedBelowRam(iomem.substr(0, newline)))
      map.reserved_.push_back(*range);
    iomem.remove_prefix(std::min(newline + 1, iomem.size()));
  }
  return map;
}

std::optional<MemoryRole> PrebootMap::RoleOf(const ByteRange& range) const {
  std::optional<MemoryRole> role;
  for (const LayoutPiece& piece : pieces_) {
    if (!piece.range.Overlaps(range)) continue;
    if (role && *role != piece.role) return std::nullopt;
    role = piece.role;
  }
  return role.value_or(MemoryRole::kNotRam);
}

bool PrebootMap::Reserved(const ByteRange& range) const {
  return std::any_of(reserved_.begin(), reserved_.end(),
                     [&range](const ByteRange& piece) { return piece.Overlaps(range); });
}

}  // namespace seaward::agent
