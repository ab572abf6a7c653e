// Finds frames in a byte stream that may hold anything: stale bytes of an earlier boot, torn
// frames, garbage. Everything that is not part of a good frame is skipped and counted.
//
// A frame that stops in the middle does not hold up the good frames behind it: a complete frame is
// delivered as soon as its last byte is there, whatever stands before it.
//
// Memory is bounded, and either fixed at construction or only there while bytes wait. Any single
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "protocol/format.h"
#include "protocol/frame.h"

namespace seaward::protocol {

class FrameReader {
 public:
  enum class Memory {
    kFixed,     // an agent reads on when its machine has no memory left
    kOnDemand,  // a host has one reader per VM, nearly all of them idle
  };
  explicit FrameReader(Memory memory = Memory::kFixed);

  // Takes what fits and returns the rest; after Next() has said nullopt, at least kMaxFrameBytes
  // fit.
  [[nodiscard]] std::span<const std::byte> Append(std::span<const std::byte> bytes);

  // The next good frame of version kVersion, or nullopt when more bytes are needed.
  std::optional<Frame> Next();

  // Append and Next until all bytes are used; `on_frame(const Frame&)` per frame.
  template <class OnFrame>
  void Feed(std::span<const std::byte> bytes, OnFrame&& on_frame) {
    do {
      bytes = Append(bytes);
      while (const std::optional<Frame> frame = Next()) on_frame(*frame);
    } while (!bytes.empty());
    ReleaseUnused();
  }

  // The stream ended (port or channel closed): what is left of a torn frame counts as dropped.
  void Reset();

  // Bytes that belonged to no frame.
  std::uint64_t dropped_bytes() const { return dropped_bytes_; }
  // Whole frames with a good CRC but another version: the peer is newer or older than we are.
  std::uint64_t foreign_frames() const { return foreign_frames_; }
  // Bytes that may still become a frame.
  std::size_t buffered_bytes() const { return end_ - begin_; }

 private:
  enum class Judgement { kIncomplete, kGarbage, kForeign, kFrame };

  std::span<const std::byte> Buffered(std::size_t from) const {
    return {buffer_.data() + from, end_ - from};
  }
  // Looks on from `scanned_`; true when one more was found.
  bool FindCandidate();
  Judgement Judge(std::size_t at, Frame& frame) const;
  void TakeFrameAt(std::size_t at, std::size_t payload_bytes);
  void DropGarbage();
  void Compact();
  void Acquire();
  void ReleaseUnused();

  Memory memory_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  // first byte that is not yet used or dropped
  std::size_t end_ = 0;    // behind the last byte appended
  // The magic was looked for at every place before this one: no further than had to be, so that the
  // inside of a good frame is not searched.
  std::size_t scanned_ = 0;
  // The places where the magic stands, ascending. Each is checked by CRC once, so that garbage
  // cannot buy more work.
  std::vector<std::size_t> candidates_;
  std::uint64_t dropped_bytes_ = 0;
  std::uint64_t foreign_frames_ = 0;
};

}  // namespace seaward::protocol
