// Chance that is the same everywhere: std::mt19937_64 is defined to the bit, the library's
// distributions are not, so that these are our own.
#pragma once

#include <cstdint>
#include <random>

namespace seaward {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}

  // 0 <= result < sides; sides > 0. Every result is equally likely: what lies beyond the last whole
  // multiple of `sides` is thrown again.
  std::uint64_t Below(std::uint64_t sides) {
    const std::uint64_t rest = (UINT64_MAX % sides + 1) % sides;
    std::uint64_t thrown = engine_();
    while (thrown > UINT64_MAX - rest) thrown = engine_();
    return thrown % sides;
  }
  // first <= result <= last.
  std::uint64_t Between(std::uint64_t first, std::uint64_t last) {
    return first + Below(last - first + 1);
  }
  std::uint64_t Word() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace seaward
