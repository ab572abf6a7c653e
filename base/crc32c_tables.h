// What CRC-32C looks up instead of dividing; made by the compiler. Included by crc32c*.cc only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace seaward {

using CrcTable = std::array<std::uint32_t, 256>;

// [k][b]: of byte b followed by k zero bytes. Eight of them take eight bytes at a time.
inline constexpr auto kCrcOfByteAndZeros = [] {
  constexpr std::uint32_t kReversedPolynomial = 0x82f63b78;
  std::array<CrcTable, 8> t{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
    t[0][b] = crc;
  }
  for (std::size_t k = 1; k < t.size(); ++k)
    for (std::size_t b = 0; b < 256; ++b) t[k][b] = (t[k - 1][b] >> 8) ^ t[0][t[k - 1][b] & 0xff];
  return t;
}();

// [k][b]: what a CRC whose byte k is b, and all others 0, becomes over `Zeros` zero bytes. Linear:
// the results of a CRC's four bytes are added (exclusive or).
template <std::size_t Zeros>
inline constexpr auto kCrcOverZeros = [] {
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = std::uint32_t{1} << bit;
    for (std::size_t i = 0; i < Zeros; ++i) crc = (crc >> 8) ^ kCrcOfByteAndZeros[0][crc & 0xff];
    of_bit[bit] = crc;
  }
  std::array<CrcTable, 4> t{};
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t b = 0; b < 256; ++b)
      for (std::size_t bit = 0; bit < 8; ++bit)
        if ((b >> bit & 1) != 0) t[k][b] ^= of_bit[8 * k + bit];
  return t;
}();

}  // namespace seaward
