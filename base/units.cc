#include "base/units.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace seaward {

Result<ByteRange> ByteRange::Make(GuestPhysAddr start, std::uint64_t length) {
  if (length == 0) return Fail(ErrorCode::kInvalid, "empty range at " + FormatAddress(start.value));
  if (length - 1 > std::numeric_limits<std::uint64_t>::max() - start.value)
    return Fail(ErrorCode::kInvalid,
                fmt::format("range {}+{:#x} wraps", FormatAddress(start.value), length));
  return ByteRange(start, length);
}

ByteRange ByteRange::AlignedTo(std::uint64_t granule) const {
  const std::uint64_t first = start_.value & ~(granule - 1);
  const std::uint64_t last_byte = last() | (granule - 1);
  return ByteRange(GuestPhysAddr{first}, last_byte - first + 1);
}

std::string FormatAddress(std::uint64_t address) {
  return fmt::format("{:#x}", address);
}

Result<std::uint64_t> ParseAddress(std::string_view text) {
  const std::string_view digits = text.substr(0, 2) == "0x" ? text.substr(2) : std::string_view();
  std::uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
    return Fail(ErrorCode::kInvalid, fmt::format("'{}' is not an address (want 0x...)", text));
  return value;
}

}  // namespace seaward
