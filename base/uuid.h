// A 128-bit UUID in the byte order of its text form (RFC 4122): domains, machines, boots,
// incarnations.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace seaward {

struct Uuid {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
  bool IsNil() const { return *this == Uuid{}; }
};

// Version 4, from the kernel's random numbers.
Uuid RandomUuid();
// 8-4-4-4-12, lower case.
std::string FormatUuid(const Uuid& uuid);
// Upper or lower case, with hyphens.
Result<Uuid> ParseUuid(std::string_view text);

}  // namespace seaward
