// CRC-32C (Castagnoli, RFC 3720 appendix B.4): frames, journal, next-boot list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace seaward {

// The CRC of `bytes`, or of what came before (`seed`) followed by `bytes`.
std::uint32_t Crc32c(std::span<const std::byte> bytes, std::uint32_t seed = 0);

}  // namespace seaward
