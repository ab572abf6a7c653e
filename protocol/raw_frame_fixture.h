// A frame that a reader accepts, around a payload that may be anything: for fuzzers, which no
// checksum should keep out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/byte_codec.h"
#include "base/crc32c.h"
#include "protocol/format.h"

namespace seaward::protocol {

inline std::vector<std::byte> RawFrame(std::uint8_t type, std::uint64_t nonce,
                                       std::uint32_t sequence, std::span<const std::byte> payload) {
  std::vector<std::byte> frame(kHeaderBytes + payload.size());
  ByteWriter writer(frame);
  writer.Put(kMagic);
  writer.Put(kVersion);
  writer.Put(type);
  writer.Put(std::uint16_t{0});
  writer.Put(nonce);
  writer.Put(sequence);
  writer.Put(static_cast<std::uint32_t>(payload.size()));
  writer.Put(Crc32c(payload, Crc32c(std::span(frame).first(kCrcOffset))));
  writer.PutBytes(payload);
  return frame;
}

}  // namespace seaward::protocol
