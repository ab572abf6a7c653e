#include "host-notifier/vmm/attach_message.h"

#include <algorithm>

#include "base/byte_codec.h"

namespace seaward::vmm {
namespace {

constexpr std::uint16_t kFlagClaimsVm = 1;

}  // namespace

std::array<std::byte, kAttachRequestBytes> EncodeAttachRequest(const AttachRequest& request) {
  std::array<std::byte, kAttachRequestBytes> bytes{};
  ByteWriter out(bytes);
  out.Put(kAttachMagic);
  out.Put(kAttachVersion);
  out.Put(request.claimed_vm ? kFlagClaimsVm : std::uint16_t{0});
  out.Put(request.ring_bytes);
  out.PutBytes(request.claimed_vm.value_or(Uuid{}).bytes);
  return bytes;
}

Result<AttachRequest> DecodeAttachRequest(std::span<const std::byte> bytes) {
  if (bytes.size() != kAttachRequestBytes) return Fail(ErrorCode::kInvalid, "attach request size");
  ByteReader in(bytes);
  if (in.Get<std::uint32_t>() != kAttachMagic) return Fail(ErrorCode::kInvalid, "attach magic");
  if (in.Get<std::uint16_t>() != kAttachVersion)
    return Fail(ErrorCode::kUnsupported, "attach version");
  const auto flags = in.Get<std::uint16_t>();
  if ((flags & ~kFlagClaimsVm) != 0) return Fail(ErrorCode::kInvalid, "attach flags");
  AttachRequest request;
  request.ring_bytes = in.Get<std::uint64_t>();
  Uuid vm;
  std::ranges::copy(in.GetBytes(vm.bytes.size()), vm.bytes.begin());
  if ((flags & kFlagClaimsVm) != 0) request.claimed_vm = vm;
  return request;
}

std::array<std::byte, kAttachReplyBytes> EncodeAttachReply(AttachReply reply) {
  std::array<std::byte, kAttachReplyBytes> bytes{};
  ByteWriter out(bytes);
  out.Put(kAttachMagic);
  out.Put(static_cast<std::uint8_t>(reply));
  return bytes;
}

Result<AttachReply> DecodeAttachReply(std::span<const std::byte> bytes) {
  if (bytes.size() != kAttachReplyBytes) return Fail(ErrorCode::kInvalid, "attach reply size");
  ByteReader in(bytes);
  if (in.Get<std::uint32_t>() != kAttachMagic) return Fail(ErrorCode::kInvalid, "attach magic");
  const auto code = in.Get<std::uint8_t>();
  if (code < static_cast<std::uint8_t>(AttachReply::kAccepted) ||
      code > static_cast<std::uint8_t>(AttachReply::kOverloaded))
    return Fail(ErrorCode::kUnsupported, "attach reply code");
  return static_cast<AttachReply>(code);
}

std::string_view ToString(AttachReply reply) {
  switch (reply) {
    case AttachReply::kAccepted:
      return "accepted";
    case AttachReply::kMalformed:
      return "malformed";
    case AttachReply::kNotAllowed:
      return "not_allowed";
    case AttachReply::kUnknownVm:
      return "unknown_vm";
    case AttachReply::kOverloaded:
      return "overloaded";
  }
  return "unknown";
}

}  // namespace seaward::vmm
