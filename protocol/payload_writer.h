// The writing half of the codec. Included by codec.cc only.
#pragma once

#include <string_view>

#include "base/byte_codec.h"
#include "base/result.h"
#include "protocol/messages.h"

namespace seaward::protocol {

// Writes the payload of one message. The first rule of the spec that is broken is kept in status().
class PayloadWriter {
 public:
  explicit PayloadWriter(std::span<std::byte> out) : writer_(out) {}

  void operator()(const HelloRequest&) {}
  void operator()(const Hello& hello);
  void operator()(const HelloAck& ack);
  void operator()(const Sync& sync);
  void operator()(const Poison& poison);
  void operator()(const Clear& clear);
  void operator()(const Verdict& verdict);
  void operator()(const Ping&) {}
  void operator()(const Pong&) {}
  void operator()(const Stats& stats);
  void operator()(const Losses& losses);
  void operator()(const Recall&) {}
  void operator()(const Known& known);
  void operator()(const BeforeKernel& before);

  std::size_t size() const { return writer_.size(); }
  Status status() const;

 private:
  void Require(bool rule, ErrorCode code, std::string_view broken) {
    if (!rule) [[unlikely]]
      Refuse(code, broken);
  }
  void Refuse(ErrorCode code, std::string_view broken);
  // Entries of one size: `put(fields, entry)` writes one into room of its own. There is no other
  // writer in that loop, and no other end than the last entry, so that a compiler can keep it all
  // in registers: a full list costs a third of what it did field by field into the payload.
  template <std::size_t kEntryBytes, class Entry, class Put>
  void PutEach(const std::vector<Entry>& entries, Put put) {
    std::span<std::byte> room = writer_.Claim(entries.size() * kEntryBytes);
    if (room.empty()) return;
    for (const Entry& entry : entries) {
      ByteWriter fields(room.first<kEntryBytes>());
      put(fields, entry);
      room = room.subspan(kEntryBytes);
    }
  }
  void PutUuid(const Uuid& uuid) { writer_.PutBytes(uuid.bytes); }
  void PutListHeader(std::size_t count, std::size_t limit);
  void PutRange(ByteWriter& to, const ByteRange& range);
  void PutMilliseconds(ByteWriter& to, std::chrono::milliseconds time);
  void PutRecord(ByteWriter& to, const VerdictRecord& record);
  void PutShortText(std::string_view text, std::size_t most);

  ByteWriter writer_;
  ErrorCode code_ = ErrorCode::kInvalid;
  std::string_view broken_;  // empty: nothing
};

}  // namespace seaward::protocol
