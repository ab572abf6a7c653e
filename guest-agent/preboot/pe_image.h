// The two things that are asked of a UEFI program's file before it is installed. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace seaward::agent {

struct PeImage {
  std::uint16_t machine = 0;
  bool is_signed = false;  // carries a certificate table; whose, only the firmware can say
};
inline constexpr std::uint16_t kPeArm64 = 0xaa64;
inline constexpr std::uint16_t kPeX64 = 0x8664;

// kInvalid when the bytes are no PE32+ image.
Result<PeImage> ReadPeImage(std::span<const std::byte> file);

}  // namespace seaward::agent
