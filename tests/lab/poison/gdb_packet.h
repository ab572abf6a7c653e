// The framing of the GDB remote serial protocol ("$payload#checksum", '+' and '-' acknowledgements,
// '}' escapes, '*' run lengths), as far as QEMU's stub uses it. No I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace seaward::lab {

std::string EncodeGdbPacket(std::string_view payload);

// Cuts a byte stream into payloads. Bytes between packets (acknowledgements) are skipped.
class GdbPacketReader {
 public:
  void Append(std::string_view bytes) { buffer_.append(bytes); }
  // nullopt: more bytes are needed. kCorrupt: a bad checksum or run length, which is skipped.
  Result<std::optional<std::string>> Next();

 private:
  std::string buffer_;
};

std::string ToHex(std::span<const std::byte> bytes);
Result<std::vector<std::byte>> FromHex(std::string_view text);

}  // namespace seaward::lab
