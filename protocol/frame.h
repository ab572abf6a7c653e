// The envelope of every message (protocol/spec.md, "Frame").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace seaward::protocol {

// Numbers on the wire. A receiver may meet others: such a frame is counted and skipped.
enum class MessageType : std::uint8_t {
  kHelloRequest = 1,
  kHello = 2,
  kHelloAck = 3,
  kSync = 4,
  kPoison = 5,
  kClear = 6,
  kVerdict = 7,
  kPing = 8,
  kPong = 9,
  kStats = 10,
  kLosses = 11,
  kRecall = 12,
  kKnown = 13,
  kBeforeKernel = 14,
};

// Names one channel session: the guest's random choice, in every frame of it.
// kNone only in a HelloRequest.
enum class Nonce : std::uint64_t { kNone = 0 };

struct FrameHeader {
  MessageType type = MessageType::kPing;
  Nonce nonce = Nonce::kNone;
  // Counts the sender's frames of this session from 1; a receiver takes only higher ones than
  // before.
  std::uint32_t sequence = 0;
  std::uint32_t length = 0;  // of the payload, bytes
};

// A checked frame. `payload` points into the FrameReader and dies with its next Append.
struct Frame {
  FrameHeader header;
  std::span<const std::byte> payload;
};

}  // namespace seaward::protocol
