// Any bytes, in pieces of any size: the same frames come out, everything is accounted for, and what
// decodes encodes to the same bytes. First byte: the size of the pieces.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "protocol/codec.h"
#include "protocol/frame_reader.h"

namespace {

using seaward::protocol::Frame;
using seaward::protocol::FrameReader;

void Require(bool rule) {
  if (!rule) std::abort();
}

void CheckFrame(const Frame& frame) {
  const auto message = Decode(frame);
  if (!message) return;
  const auto again = EncodeFrame(*message, frame.header.nonce, frame.header.sequence);
  Require(again.has_value());
  Require(again->size() == seaward::protocol::kHeaderBytes + frame.payload.size());
  Require(std::equal(frame.payload.begin(), frame.payload.end(),
                     again->begin() + seaward::protocol::kHeaderBytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = std::size_t{data[0]} * 16 + 1;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);

  FrameReader reader;
  std::uint64_t used = 0;
  std::size_t frames = 0;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    reader.Feed(bytes.subspan(at, std::min(piece, bytes.size() - at)), [&](const Frame& frame) {
      CheckFrame(frame);
      used += seaward::protocol::kHeaderBytes + frame.payload.size();
      ++frames;
    });
    Require(reader.buffered_bytes() < seaward::protocol::kMaxFrameBytes);
  }
  const std::uint64_t accounted = used + reader.dropped_bytes() + reader.buffered_bytes();
  Require(reader.foreign_frames() > 0 ? accounted <= bytes.size() : accounted == bytes.size());
  return 0;
}
