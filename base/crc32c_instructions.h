// CRC-32C in two ways with one result; crc32c.h chooses. For crc32c.cc and its tests and
// benchmarks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace seaward {

// Whether this CPU has instructions for CRC-32C (SSE 4.2; FEAT_CRC32 of Armv8) and this program
// knows them.
bool CpuHasCrc32c();
// With them; only where CpuHasCrc32c().
std::uint32_t Crc32cByInstructions(std::span<const std::byte> bytes, std::uint32_t seed);
// Without.
std::uint32_t Crc32cByTables(std::span<const std::byte> bytes, std::uint32_t seed);

}  // namespace seaward
