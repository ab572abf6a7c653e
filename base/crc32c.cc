#include "base/crc32c.h"

#include <array>

#include "base/crc32c_instructions.h"
#include "base/crc32c_tables.h"

namespace seaward {
namespace {

std::uint32_t At(std::span<const std::byte> bytes, std::size_t i) {
  return std::to_integer<std::uint32_t>(bytes[i]);
}

}  // namespace

std::uint32_t Crc32cByTables(std::span<const std::byte> bytes, std::uint32_t seed) {
  constexpr auto& kTables = kCrcOfByteAndZeros;
  std::uint32_t crc = ~seed;
  while (bytes.size() >= 8) {
    const std::uint32_t low =
        crc ^ (At(bytes, 0) | At(bytes, 1) << 8 | At(bytes, 2) << 16 | At(bytes, 3) << 24);
    crc = kTables[7][low & 0xff] ^ kTables[6][(low >> 8) & 0xff] ^ kTables[5][(low >> 16) & 0xff] ^
          kTables[4][low >> 24] ^ kTables[3][At(bytes, 4)] ^ kTables[2][At(bytes, 5)] ^
          kTables[1][At(bytes, 6)] ^ kTables[0][At(bytes, 7)];
    bytes = bytes.subspan(8);
  }
  for (std::byte b : bytes)
    crc = (crc >> 8) ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(b)) & 0xff];
  return ~crc;
}

std::uint32_t Crc32c(std::span<const std::byte> bytes, std::uint32_t seed) {
  static const bool has_instructions = CpuHasCrc32c();
  return has_instructions ? Crc32cByInstructions(bytes, seed) : Crc32cByTables(bytes, seed);
}

}  // namespace seaward
