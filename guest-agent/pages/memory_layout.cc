#include "guest-agent/pages/memory_layout.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace seaward::agent {
namespace {

struct Line {
  std::size_t depth = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::string_view name;
};

bool TakeHex(std::string_view& text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// "  40210000-4186ffff : Kernel code"
std::optional<Line> ParseLine(std::string_view text) {
  Line line;
  const std::size_t indent = text.find_first_not_of(' ');
  if (indent == std::string_view::npos) return std::nullopt;
  line.depth = indent / 2;
  text.remove_prefix(indent);
  if (!TakeHex(text, line.first) || !text.starts_with('-')) return std::nullopt;
  text.remove_prefix(1);
  if (!TakeHex(text, line.last) || !text.starts_with(" : ")) return std::nullopt;
  line.name = text.substr(3);
  return line;
}

// System RAM stands at any depth (virtio-mem shows it below its device), with a suffix in
// parentheses when it was added later. Withheld memory stands on its own: a "reserved" below System
// RAM is the kernel's own and part of that RAM.
std::optional<MemoryRole> RoleOf(const Line& line) {
  if (line.name == "System RAM" || line.name.starts_with("System RAM (")) {
    return MemoryRole::kSystemRam;
  }
  if (line.depth == 0 &&
      (line.name == "reserved" || line.name == "Reserved" || line.name == "Unusable memory")) {
    return MemoryRole::kWithheld;
  }
  return std::nullopt;
}

std::vector<LayoutPiece> WithoutOverlaps(std::vector<LayoutPiece> pieces) {
  std::sort(pieces.begin(), pieces.end(), [](const LayoutPiece& a, const LayoutPiece& b) {
    return a.range.start() < b.range.start();
  });
  std::vector<LayoutPiece> kept;
  for (const LayoutPiece& piece : pieces)
    if (kept.empty() || !kept.back().range.Overlaps(piece.range)) kept.push_back(piece);
  return kept;
}

}  // namespace

Result<MemoryLayout> MemoryLayout::Parse(std::string_view iomem) {
  std::vector<LayoutPiece> pieces;
  std::size_t lines_read = 0;
  bool ram_seen = false;
  while (!iomem.empty()) {
    const std::size_t newline = std::min(iomem.find('\n'), iomem.size());
    const auto line = ParseLine(iomem.substr(0, newline));
    iomem.remove_prefix(std::min(newline + 1, iomem.size()));
    if (!line) continue;
    ++lines_read;
    const auto role = RoleOf(*line);
    if (!role || line->last <= line->first) continue;
    auto range = ByteRange::Make(GuestPhysAddr{line->first}, line->last - line->first + 1);
    if (!range) continue;
    ram_seen = ram_seen || *role == MemoryRole::kSystemRam;
    pieces.push_back(LayoutPiece{*range, *role});
  }
  if (lines_read == 0) return Fail(ErrorCode::kInvalid, "iomem: not one readable line");
  if (!ram_seen) return Fail(ErrorCode::kDenied, "iomem: no address of System RAM is shown");
  MemoryLayout layout;
  layout.pieces_ = WithoutOverlaps(std::move(pieces));
  return layout;
}

std::vector<LayoutPiece> MemoryLayout::Split(const ByteRange& range) const {
  std::vector<LayoutPiece> out;
  std::uint64_t at = range.start().value;
  // `next` is the last byte of the piece, so that a range may end at the top of the address space.
  const auto cut = [&out, &at](std::uint64_t last, MemoryRole role) {
    out.push_back(LayoutPiece{ByteRange::Make(GuestPhysAddr{at}, last - at + 1).value(), role});
    at = last + 1;
  };
  for (const LayoutPiece& piece : pieces_) {
    if (!piece.range.Overlaps(range) || piece.range.last() < at) continue;
    if (piece.range.start().value > at) cut(piece.range.start().value - 1, MemoryRole::kNotRam);
    cut(std::min(piece.range.last(), range.last()), piece.role);
    if (at == 0 || at > range.last()) return out;
  }
  cut(range.last(), MemoryRole::kNotRam);
  return out;
}

MemoryRole MemoryLayout::RoleAt(GuestPhysAddr address) const {
  for (const LayoutPiece& piece : pieces_)
    if (piece.range.Contains(address)) return piece.role;
  return MemoryRole::kNotRam;
}

std::uint64_t MemoryLayout::system_ram_bytes() const {
  std::uint64_t sum = 0;
  for (const LayoutPiece& piece : pieces_)
    if (piece.role == MemoryRole::kSystemRam) sum += piece.range.length();
  return sum;
}

}  // namespace seaward::agent
