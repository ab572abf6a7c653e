#include "host-notifier/vmm/place_message.h"

#include "base/byte_codec.h"

namespace seaward::vmm {
namespace {

constexpr std::uint16_t kFound = 1;

// The 16 bits behind the version: what an answer found; 0 in a question.
Result<std::uint16_t> ReadHeader(ByteReader& in, std::uint32_t magic) {
  if (in.Get<std::uint32_t>() != magic) return Fail(ErrorCode::kInvalid, "place magic");
  if (in.Get<std::uint16_t>() != kPlaceVersion)
    return Fail(ErrorCode::kUnsupported, "place version");
  return in.Get<std::uint16_t>();
}

}  // namespace

std::array<std::byte, kPlaceQuestionBytes> EncodePlaceQuestion(const PlaceQuestion& question) {
  std::array<std::byte, kPlaceQuestionBytes> bytes{};
  ByteWriter out(bytes);
  out.Put(kPlaceQuestionMagic);
  out.Put(kPlaceVersion);
  out.Put(std::uint16_t{0});
  out.Put(question.id);
  out.Put(question.host.value);
  return bytes;
}

Result<PlaceQuestion> DecodePlaceQuestion(std::span<const std::byte> bytes) {
  if (bytes.size() != kPlaceQuestionBytes) return Fail(ErrorCode::kInvalid, "place question size");
  ByteReader in(bytes);
  const auto flags = ReadHeader(in, kPlaceQuestionMagic);
  if (!flags) return tl::unexpected<Error>(flags.error());
  if (*flags != 0) return Fail(ErrorCode::kInvalid, "place question flags");
  PlaceQuestion question;
  question.id = in.Get<std::uint64_t>();
  question.host = HostVirtAddr{in.Get<std::uint64_t>()};
  return question;
}

std::array<std::byte, kPlaceAnswerBytes> EncodePlaceAnswer(const PlaceAnswer& answer) {
  std::array<std::byte, kPlaceAnswerBytes> bytes{};
  ByteWriter out(bytes);
  out.Put(kPlaceAnswerMagic);
  out.Put(kPlaceVersion);
  out.Put(answer.guest ? kFound : std::uint16_t{0});
  out.Put(answer.id);
  out.Put(answer.guest.value_or(GuestPhysAddr{}).value);
  return bytes;
}

Result<PlaceAnswer> DecodePlaceAnswer(std::span<const std::byte> bytes) {
  if (bytes.size() != kPlaceAnswerBytes) return Fail(ErrorCode::kInvalid, "place answer size");
  ByteReader in(bytes);
  const auto found = ReadHeader(in, kPlaceAnswerMagic);
  if (!found) return tl::unexpected<Error>(found.error());
  if (*found > kFound) return Fail(ErrorCode::kInvalid, "place answer flags");
  PlaceAnswer answer;
  answer.id = in.Get<std::uint64_t>();
  const GuestPhysAddr guest{in.Get<std::uint64_t>()};
  if (*found == kFound) answer.guest = guest;
  if (*found != kFound && guest.value != 0)
    return Fail(ErrorCode::kInvalid, "place answer without a place");
  return answer;
}

}  // namespace seaward::vmm
