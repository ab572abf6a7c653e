// Asks a VMM which guest physical address lies at one of its own addresses, and its answer. Over
// the attach connection after it was accepted, one message each, as heal orders (heal_message.h).
// Sent only to a VMM whose ring says kTakesPlaceQuestions; an older one would hang up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "base/units.h"

namespace seaward::vmm {

inline constexpr std::uint32_t kPlaceQuestionMagic = 0x51505753;  // "SWPQ"
inline constexpr std::uint32_t kPlaceAnswerMagic = 0x41505753;    // "SWPA"
inline constexpr std::uint16_t kPlaceVersion = 1;
inline constexpr std::size_t kPlaceQuestionBytes = 24;
inline constexpr std::size_t kPlaceAnswerBytes = 24;

struct PlaceQuestion {
  std::uint64_t id = 0;  // of the answer
  HostVirtAddr host;
};

struct PlaceAnswer {
  std::uint64_t id = 0;
  // Nothing: no memory slot of the VM lies there. The VMM's word, about its own VM.
  std::optional<GuestPhysAddr> guest;
};

std::array<std::byte, kPlaceQuestionBytes> EncodePlaceQuestion(const PlaceQuestion& question);
Result<PlaceQuestion> DecodePlaceQuestion(std::span<const std::byte> bytes);
std::array<std::byte, kPlaceAnswerBytes> EncodePlaceAnswer(const PlaceAnswer& answer);
Result<PlaceAnswer> DecodePlaceAnswer(std::span<const std::byte> bytes);

}  // namespace seaward::vmm
