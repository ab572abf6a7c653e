// A well mixed 64-bit number. Pure; its values are on disk and on the wire: never change them.
#pragma once

#include <cstdint>

namespace seaward {

// The finalizer of SplitMix64: a bijection in which every input bit reaches every output bit.
constexpr std::uint64_t Mix(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace seaward
