#include "host-notifier/vmm/heal_message.h"

#include <algorithm>
#include <iterator>

#include "base/byte_codec.h"

namespace seaward::vmm {
namespace {

Status ReadHeader(ByteReader& in, std::uint32_t magic) {
  if (in.Get<std::uint32_t>() != magic) return Fail(ErrorCode::kInvalid, "heal magic");
  if (in.Get<std::uint16_t>() != kHealVersion) return Fail(ErrorCode::kUnsupported, "heal version");
  return {};
}

// What both messages begin with: `word` is the moment of an order, the result of an answer.
template <class Word>
void PutHeader(ByteWriter& out, std::uint32_t magic, Word word) {
  out.Put(magic);
  out.Put(kHealVersion);
  out.Put(static_cast<std::uint8_t>(word));
  out.Put(std::uint8_t{0});
}

bool IsKnown(HealResult result) {
  return result == HealResult::kReplaced || result == HealResult::kStanding ||
         std::ranges::find(kAllHealRefusals, result) != std::end(kAllHealRefusals);
}

}  // namespace

std::array<std::byte, kHealOrderBytes> EncodeHealOrder(const HealOrder& order) {
  std::array<std::byte, kHealOrderBytes> bytes{};
  ByteWriter out(bytes);
  PutHeader(out, kHealOrderMagic, order.when);
  out.Put(order.id);
  out.Put(order.page.value);
  out.Put(order.host.value);
  return bytes;
}

Result<HealOrder> DecodeHealOrder(std::span<const std::byte> bytes) {
  if (bytes.size() != kHealOrderBytes) return Fail(ErrorCode::kInvalid, "heal order size");
  ByteReader in(bytes);
  if (auto header = ReadHeader(in, kHealOrderMagic); !header) return Forward(header);
  const auto when = in.Get<std::uint8_t>();
  if (when != static_cast<std::uint8_t>(HealWhen::kNow) &&
      when != static_cast<std::uint8_t>(HealWhen::kAtReset))
    return Fail(ErrorCode::kUnsupported, "heal moment");
  if (in.Get<std::uint8_t>() != 0) return Fail(ErrorCode::kInvalid, "heal order flags");
  HealOrder order;
  order.when = static_cast<HealWhen>(when);
  order.id = in.Get<std::uint64_t>();
  order.page = GuestPhysAddr{in.Get<std::uint64_t>()};
  order.host = HostVirtAddr{in.Get<std::uint64_t>()};
  return order;
}

std::array<std::byte, kHealAnswerBytes> EncodeHealAnswer(const HealAnswer& answer) {
  std::array<std::byte, kHealAnswerBytes> bytes{};
  ByteWriter out(bytes);
  PutHeader(out, kHealAnswerMagic, answer.result);
  out.Put(answer.id);
  return bytes;
}

Result<HealAnswer> DecodeHealAnswer(std::span<const std::byte> bytes) {
  if (bytes.size() != kHealAnswerBytes) return Fail(ErrorCode::kInvalid, "heal answer size");
  ByteReader in(bytes);
  if (auto header = ReadHeader(in, kHealAnswerMagic); !header) return Forward(header);
  HealAnswer answer;
  answer.result = static_cast<HealResult>(in.Get<std::uint8_t>());
  if (!IsKnown(answer.result)) return Fail(ErrorCode::kUnsupported, "heal result");
  if (in.Get<std::uint8_t>() != 0) return Fail(ErrorCode::kInvalid, "heal answer flags");
  answer.id = in.Get<std::uint64_t>();
  return answer;
}

std::string_view ToString(HealResult result) {
  switch (result) {
    case HealResult::kReplaced:
      return "replaced";
    case HealResult::kStanding:
      return "standing";
    case HealResult::kNotMapped:
      return "not_mapped";
    case HealResult::kNotPrivateAnonymous:
      return "not_private_anonymous";
    case HealResult::kUserfaultfd:
      return "userfaultfd";
    case HealResult::kVfio:
      return "vfio";
    case HealResult::kIoUring:
      return "io_uring";
    case HealResult::kVcpusRunning:
      return "vcpus_running";
    case HealResult::kLargerPage:
      return "larger_page";
    case HealResult::kFailed:
      return "failed";
  }
  return "failed";
}

}  // namespace seaward::vmm
