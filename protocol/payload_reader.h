// The reading half of the codec: bytes of an untrusted peer to one message. Included by codec.cc
// only.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/byte_codec.h"
#include "base/result.h"
#include "protocol/frame.h"
#include "protocol/messages.h"

namespace seaward::protocol {

// Reads one payload. Allocates only after the announced count was compared with the bytes at hand.
class PayloadReader {
 public:
  explicit PayloadReader(std::span<const std::byte> payload) : reader_(payload) {}

  Result<Message> Read(MessageType type);

 private:
  Hello ReadHello();
  HelloAck ReadHelloAck();
  Sync ReadSync();
  Poison ReadPoison();
  Clear ReadClear();
  Verdict ReadVerdict();
  VerdictRecord ReadRecord();
  Stats ReadStats();
  Losses ReadLosses();
  std::string GetText(std::size_t length);
  Known ReadKnown();
  BeforeKernel ReadBeforeKernel();

  Uuid GetUuid();
  ByteRange GetRange();
  // A value of 1 (or `lowest`) .. `highest`.
  template <class Enum>
  Enum GetEnum(Enum lowest, Enum highest);
  // The number of entries; 0 when the payload has not exactly the bytes for it.
  std::size_t GetCount(std::size_t entry_bytes);
  template <class T>
  void GetReserved();
  void Require(bool rule, std::string_view broken);

  ByteReader reader_;
  std::string_view broken_;  // empty: nothing
};

}  // namespace seaward::protocol
