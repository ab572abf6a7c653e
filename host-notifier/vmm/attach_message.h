// What travels over the attach socket (AF_UNIX, SOCK_SEQPACKET): one request from the VMM, which
// carries two descriptors (the sealed ring, then the doorbell eventfd) as SCM_RIGHTS, and one reply
// from the notifier. After that both stay silent, but for heal orders and questions of the notifier
// and their answers (heal_message.h, place_message.h); the open connection says that both live.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "base/uuid.h"

namespace seaward::vmm {

inline constexpr std::uint32_t kAttachMagic = 0x54415753;  // "SWAT"
inline constexpr std::uint16_t kAttachVersion = 1;
inline constexpr std::size_t kAttachDescriptors = 2;

struct AttachRequest {
  std::uint64_t ring_bytes = 0;
  // What the VMM says it runs. A claim: the notifier compares it with what root owns.
  std::optional<Uuid> claimed_vm;
};
inline constexpr std::size_t kAttachRequestBytes = 32;

enum class AttachReply : std::uint8_t {
  kAccepted = 1,
  kMalformed = 2,   // request, descriptors or ring are not what they must be
  kNotAllowed = 3,  // this process does not run that VM
  kUnknownVm = 4,   // no VM of ours runs in this process (yet): try again later
  kOverloaded = 5,  // too many attachments
};
inline constexpr std::size_t kAttachReplyBytes = 8;

std::array<std::byte, kAttachRequestBytes> EncodeAttachRequest(const AttachRequest& request);
Result<AttachRequest> DecodeAttachRequest(std::span<const std::byte> bytes);
std::array<std::byte, kAttachReplyBytes> EncodeAttachReply(AttachReply reply);
Result<AttachReply> DecodeAttachReply(std::span<const std::byte> bytes);
std::string_view ToString(AttachReply reply);

}  // namespace seaward::vmm
