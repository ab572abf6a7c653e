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
  Stats ReadStats();
  Losses ReadLosses();
  std::string GetText(std::size_t length);
  Known ReadKnown();
  BeforeKernel ReadBeforeKernel();

  Uuid GetUuid();
  void GetRecord(ByteReader& from, VerdictRecord& record);
  void GetRange(ByteReader& from, ByteRange& range);
  ByteRange RangeOf(GuestPhysAddr start, std::uint64_t length);
  // A value of 1 (or `lowest`) .. `highest`.
  template <class Enum>
  Enum GetEnum(ByteReader& from, Enum lowest, Enum highest);
  // The number of entries; 0 when the payload has not exactly the bytes for it.
  std::size_t GetCount(std::size_t entry_bytes);
  // `count` entries of one size: `get(fields, entry)` fills one, in its place: to fill one
  // elsewhere and to copy it waits for its own stores. See PayloadWriter::PutEach.
  template <std::size_t kEntryBytes, class Entry, class Get>
  void GetEach(std::vector<Entry>& entries, std::size_t count, const Entry& blank, Get get) {
    std::span<const std::byte> bytes = reader_.GetBytes(count * kEntryBytes);
    if (bytes.empty()) return;
    entries.assign(count, blank);
    for (Entry& entry : entries) {
      ByteReader fields(bytes.first<kEntryBytes>());
      get(fields, entry);
      bytes = bytes.subspan(kEntryBytes);
    }
  }
  template <class T>
  void GetReserved(ByteReader& from);
  void Require(bool rule, std::string_view broken) {
    if (!rule) [[unlikely]]
      Refuse(broken);
  }
  void Refuse(std::string_view broken);

  ByteReader reader_;
  std::string_view broken_;  // empty: nothing
};

}  // namespace seaward::protocol
