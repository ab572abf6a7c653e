// What a field may hold, for the writing and the reading half of the codec alike. The rules stand
// in protocol/spec.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "protocol/format.h"

namespace seaward::protocol {

inline constexpr std::uint8_t kPoisonFlagReplay = 1;
inline constexpr std::uint16_t kKnownFlagLast = 1;
inline constexpr std::uint8_t kKnownFlagThisBoot = 1;

inline bool IsGuestPageSize(std::uint32_t bytes) {
  return bytes == 4096 || bytes == 16384 || bytes == 65536;
}

inline bool IsPrintable(std::string_view text, std::size_t most) {
  return text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

inline bool IsVersionText(std::string_view text) {
  return IsPrintable(text, kMaxAgentVersionBytes);
}

}  // namespace seaward::protocol
