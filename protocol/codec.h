// Messages <-> bytes, field by field (protocol/spec.md, "Messages"). Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "protocol/format.h"
#include "protocol/frame.h"
#include "protocol/messages.h"

namespace seaward::protocol {

MessageType TypeOf(const Message& message);

// Writes one frame to the front of `out` and returns its size; allocates nothing. An `out` of
// kMaxFrameBytes is always large enough.
// kLimit: more entries than fit (see SplitToFit) or `out` too small.
// kInvalid: a field that the spec forbids; a receiver would refuse it.
Result<std::size_t> EncodeFrame(const Message& message, Nonce nonce, std::uint32_t sequence,
                                std::span<std::byte> out);
Result<std::vector<std::byte>> EncodeFrame(const Message& message, Nonce nonce,
                                           std::uint32_t sequence);

// kUnsupported: a type that this version does not know (skip it). kInvalid: a payload that breaks
// the spec. Strict: what decodes, encodes again to the same bytes.
Result<Message> DecodePayload(MessageType type, std::span<const std::byte> payload);
inline Result<Message> Decode(const Frame& frame) {
  return DecodePayload(frame.header.type, frame.payload);
}

// Cuts a list into messages that fit one frame each, in order; none for an empty list.
std::vector<Poison> SplitToFit(const Poison& poison);
std::vector<Clear> SplitToFit(const Clear& clear);
std::vector<Verdict> SplitToFit(const Verdict& verdict);
// The whole answer to a Recall: at least one message.
std::vector<Known> KnownAnswer(const std::vector<KnownRecord>& records);

// True for what may stand in a Poison, Clear, Verdict or Known: whole granules, below 2^52, <= 1
// GiB.
inline bool IsWireRange(const ByteRange& range) {
  constexpr std::uint64_t kInsideGranule = kPoisonGranule - 1;
  return ((range.start().value | range.length()) & kInsideGranule) == 0 &&
         range.length() <= kMaxRangeBytes && range.last() >> kMaxGuestPhysBits == 0;
}

}  // namespace seaward::protocol
