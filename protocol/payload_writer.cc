#include "protocol/payload_writer.h"

#include <limits>
#include <string>

#include "protocol/codec.h"
#include "protocol/rules.h"

namespace seaward::protocol {

inline void PayloadWriter::PutRange(ByteWriter& to, const ByteRange& range) {
  Require(IsWireRange(range), ErrorCode::kInvalid, "range");
  to.Put(range.start().value);
  to.Put(range.length());
}

inline void PayloadWriter::PutMilliseconds(ByteWriter& to, std::chrono::milliseconds time) {
  const auto count = time.count();
  Require(count >= 0 && count <= std::numeric_limits<std::uint32_t>::max(), ErrorCode::kInvalid,
          "milliseconds");
  to.Put(static_cast<std::uint32_t>(count));
}

void PayloadWriter::operator()(const Hello& hello) {
  Require(!hello.boot_id.IsNil(), ErrorCode::kInvalid, "hello without boot id");
  Require(IsGuestPageSize(hello.page_size), ErrorCode::kInvalid, "page size");
  Require(IsVersionText(hello.agent_version), ErrorCode::kInvalid, "agent version");
  PutUuid(hello.boot_id);
  PutUuid(hello.machine);
  PutUuid(hello.incarnation);
  writer_.Put(static_cast<std::uint8_t>(hello.stage));
  writer_.Put(std::uint8_t{0});
  writer_.Put(std::uint16_t{0});
  writer_.Put(hello.page_size);
  writer_.Put(hello.digest);
  writer_.Put(hello.entries);
  writer_.Put(static_cast<std::uint8_t>(hello.agent_version.size()));
  writer_.PutText(hello.agent_version);
}

void PayloadWriter::operator()(const HelloAck& ack) {
  PutUuid(ack.incarnation);
  PutMilliseconds(writer_, ack.heartbeat);
}

void PayloadWriter::operator()(const Sync& sync) {
  writer_.Put(sync.digest);
  writer_.Put(sync.entries);
}

void PayloadWriter::operator()(const Poison& poison) {
  PutListHeader(poison.entries.size(), kMaxPoisonEntries);
  PutEach<kPoisonEntryBytes>(poison.entries, [this](ByteWriter& to, const PoisonEntry& entry) {
    Require(entry.id != 0, ErrorCode::kInvalid, "poison entry without id");
    to.Put(entry.id);
    PutRange(to, entry.range);
    to.Put(static_cast<std::uint8_t>(entry.evidence));
    to.Put(static_cast<std::uint8_t>(entry.replay ? kPoisonFlagReplay : 0));
    to.Put(std::uint16_t{0});
  });
}

void PayloadWriter::operator()(const Clear& clear) {
  PutListHeader(clear.ranges.size(), kMaxClearRanges);
  PutEach<kClearRangeBytes>(
      clear.ranges, [this](ByteWriter& to, const ByteRange& range) { PutRange(to, range); });
}

inline void PayloadWriter::PutRecord(ByteWriter& to, const VerdictRecord& record) {
  Require(record.id != 0, ErrorCode::kInvalid, "verdict record without id");
  Require(record.outcome == Outcome::kDeferred || record.next_try.count() == 0, ErrorCode::kInvalid,
          "next try without deferral");
  Require(record.duration.count() >= 0, ErrorCode::kInvalid, "negative duration");
  to.Put(record.id);
  PutRange(to, record.range);
  to.Put(static_cast<std::uint8_t>(record.outcome));
  to.Put(static_cast<std::uint8_t>(record.kind));
  to.Put(static_cast<std::uint8_t>(record.stage));
  to.Put(std::uint8_t{0});
  to.Put(record.sys_errno);
  to.Put(std::uint16_t{0});
  PutMilliseconds(to, record.next_try);
  to.Put(static_cast<std::uint64_t>(record.duration.count()));
}

void PayloadWriter::operator()(const Verdict& verdict) {
  PutListHeader(verdict.records.size(), kMaxVerdictRecords);
  PutEach<kVerdictRecordBytes>(
      verdict.records,
      [this](ByteWriter& to, const VerdictRecord& record) { PutRecord(to, record); });
}

void PayloadWriter::operator()(const Stats& stats) {
  writer_.Put(stats.retired_bytes);
  writer_.Put(stats.budget_bytes);
  writer_.Put(stats.hardware_corrupted_bytes);
  writer_.Put(stats.dropped_bytes);
  writer_.Put(stats.rejected_frames);
}

void PayloadWriter::operator()(const Losses& losses) {
  PutListHeader(losses.losses.size(), kMaxLosses);
  for (const Loss& loss : losses.losses) {
    Require(loss.id != 0, ErrorCode::kInvalid, "loss without id");
    Require(loss.pid != 0 || loss.comm.empty(), ErrorCode::kInvalid, "a name without a process");
    writer_.Put(loss.id);
    PutRange(writer_, loss.range);
    writer_.Put(loss.lost_bytes);
    writer_.Put(loss.pid);
    PutShortText(loss.comm, kMaxCommBytes);
    PutShortText(loss.cgroup, kMaxCgroupBytes);
  }
}

void PayloadWriter::PutShortText(std::string_view text, std::size_t most) {
  Require(IsPrintable(text, most), ErrorCode::kInvalid, "text");
  writer_.Put(static_cast<std::uint8_t>(text.size()));
  writer_.PutText(text);
}

void PayloadWriter::operator()(const Known& known) {
  Require(!known.records.empty() || known.last, ErrorCode::kInvalid, "empty list");
  Require(known.records.size() <= kMaxKnownRecords, ErrorCode::kLimit,
          "more entries than one frame holds");
  writer_.Put(static_cast<std::uint16_t>(known.records.size()));
  writer_.Put(static_cast<std::uint16_t>(known.last ? kKnownFlagLast : 0));
  PutEach<kKnownRecordBytes>(known.records, [this](ByteWriter& to, const KnownRecord& record) {
    Require(record.evidence != Evidence::kPredicted, ErrorCode::kInvalid, "known evidence");
    PutRange(to, record.range);
    to.Put(static_cast<std::uint8_t>(record.evidence));
    to.Put(static_cast<std::uint8_t>(record.this_boot ? kKnownFlagThisBoot : 0));
    to.Put(std::uint16_t{0});
  });
}

void PayloadWriter::operator()(const BeforeKernel& before) {
  writer_.Put(static_cast<std::uint8_t>(before.result));
  writer_.Put(std::uint8_t{0});
  writer_.Put(before.boots);
  writer_.Put(before.listed_pages);
  writer_.Put(before.protected_pages);
}

Status PayloadWriter::status() const {
  if (!broken_.empty()) return Fail(code_, std::string(broken_));
  if (!writer_.ok()) return Fail(ErrorCode::kLimit, "frame buffer too small");
  return {};
}

void PayloadWriter::Refuse(ErrorCode code, std::string_view broken) {
  if (!broken_.empty()) return;
  code_ = code;
  broken_ = broken;
}

void PayloadWriter::PutListHeader(std::size_t count, std::size_t limit) {
  Require(count > 0, ErrorCode::kInvalid, "empty list");
  Require(count <= limit, ErrorCode::kLimit, "more entries than one frame holds");
  writer_.Put(static_cast<std::uint16_t>(count));
  writer_.Put(std::uint16_t{0});
}

}  // namespace seaward::protocol
