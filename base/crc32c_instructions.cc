#include "base/crc32c_instructions.h"

#include <bit>
#include <cstring>

#include "base/crc32c_tables.h"

// Functions with the instruction in them are compiled for a CPU that has it, and nothing else is:
// what the linker may share with other files (templates, inline functions) stays for any CPU.
#if defined(__x86_64__)
#include <nmmintrin.h>
#define SEAWARD_WITH_CRC __attribute__((target("sse4.2")))
#elif defined(__aarch64__) && !defined(__clang__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define SEAWARD_WITH_CRC __attribute__((target("+crc")))
#endif

namespace seaward {

#if defined(SEAWARD_WITH_CRC)

namespace {

static_assert(std::endian::native == std::endian::little, "words are summed as they lie in memory");

// An instruction takes 8 bytes, and a new one can begin each cycle, but its result is there three
// cycles later: three sums at a time, each over a part of its own, keep the unit busy. Twelve such
// parts are a full frame (protocol/format.h) but for a few bytes.
constexpr std::size_t kPart = 336;

#if defined(__x86_64__)
SEAWARD_WITH_CRC inline std::uint32_t Sum8(std::uint32_t crc, const std::byte* from) {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return static_cast<std::uint32_t>(_mm_crc32_u64(crc, word));
}
SEAWARD_WITH_CRC inline std::uint32_t Sum1(std::uint32_t crc, const std::byte* from) {
  return _mm_crc32_u8(crc, static_cast<unsigned char>(*from));
}
#else
SEAWARD_WITH_CRC inline std::uint32_t Sum8(std::uint32_t crc, const std::byte* from) {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return __crc32cd(crc, word);
}
SEAWARD_WITH_CRC inline std::uint32_t Sum1(std::uint32_t crc, const std::byte* from) {
  return __crc32cb(crc, static_cast<unsigned char>(*from));
}
#endif

std::uint32_t OverPart(std::uint32_t crc) {
  const auto* t = kCrcOverZeros<kPart>.data();
  return t[0][crc & 0xff] ^ t[1][crc >> 8 & 0xff] ^ t[2][crc >> 16 & 0xff] ^ t[3][crc >> 24];
}

SEAWARD_WITH_CRC std::uint32_t SumThreeParts(std::uint32_t crc, const std::byte* from) {
  std::uint32_t second = 0;
  std::uint32_t third = 0;
  for (std::size_t i = 0; i < kPart; i += 8) {
    crc = Sum8(crc, from + i);
    second = Sum8(second, from + kPart + i);
    third = Sum8(third, from + 2 * kPart + i);
  }
  return OverPart(OverPart(crc) ^ second) ^ third;
}

SEAWARD_WITH_CRC std::uint32_t Sum(std::uint32_t crc, const std::byte* from, std::size_t bytes) {
  for (; bytes >= 3 * kPart; bytes -= 3 * kPart, from += 3 * kPart) crc = SumThreeParts(crc, from);
  for (; bytes >= 8; bytes -= 8, from += 8) crc = Sum8(crc, from);
  for (; bytes > 0; --bytes, ++from) crc = Sum1(crc, from);
  return crc;
}

}  // namespace

bool CpuHasCrc32c() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.2") != 0;
#else
  constexpr unsigned long kHwcapCrc32 = 1UL << 7;  // HWCAP_CRC32, Linux asm/hwcap.h
  return (::getauxval(AT_HWCAP) & kHwcapCrc32) != 0;
#endif
}

std::uint32_t Crc32cByInstructions(std::span<const std::byte> bytes, std::uint32_t seed) {
  return ~Sum(~seed, bytes.data(), bytes.size());
}

#else

bool CpuHasCrc32c() {
  return false;
}

std::uint32_t Crc32cByInstructions(std::span<const std::byte> bytes, std::uint32_t seed) {
  return Crc32cByTables(bytes, seed);
}

#endif

}  // namespace seaward
