#include "protocol/payload_writer.h"

#include <limits>
#include <string>

#include "protocol/codec.h"
#include "protocol/rules.h"

namespace seaward::protocol {

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
  PutMilliseconds(ack.heartbeat);
}

void PayloadWriter::operator()(const Sync& sync) {
  writer_.Put(sync.digest);
  writer_.Put(sync.entries);
}

void PayloadWriter::operator()(const Poison& poison) {
  PutListHeader(poison.entries.size(), kMaxPoisonEntries);
  for (const PoisonEntry& entry : poison.entries) {
    Require(entry.id != 0, ErrorCode::kInvalid, "poison entry without id");
    writer_.Put(entry.id);
    PutRange(entry.range);
    writer_.Put(static_cast<std::uint8_t>(entry.evidence));
    writer_.Put(static_cast<std::uint8_t>(entry.replay ? kPoisonFlagReplay : 0));
    writer_.Put(std::uint16_t{0});
  }
}

void PayloadWriter::operator()(const Clear& clear) {
  PutListHeader(clear.ranges.size(), kMaxClearRanges);
  for (const ByteRange& range : clear.ranges) PutRange(range);
}

void PayloadWriter::operator()(const Verdict& verdict) {
  PutListHeader(verdict.records.size(), kMaxVerdictRecords);
  for (const VerdictRecord& record : verdict.records) PutRecord(record);
}

void PayloadWriter::PutRecord(const VerdictRecord& record) {
  Require(record.id != 0, ErrorCode::kInvalid, "verdict record without id");
  Require(record.outcome == Outcome::kDeferred || record.next_try.count() == 0, ErrorCode::kInvalid,
          "next try without deferral");
  Require(record.duration.count() >= 0, ErrorCode::kInvalid, "negative duration");
  writer_.Put(record.id);
  PutRange(record.range);
  writer_.Put(static_cast<std::uint8_t>(record.outcome));
  writer_.Put(static_cast<std::uint8_t>(record.kind));
  writer_.Put(static_cast<std::uint8_t>(record.stage));
  writer_.Put(std::uint8_t{0});
  writer_.Put(record.sys_errno);
  writer_.Put(std::uint16_t{0});
  PutMilliseconds(record.next_try);
  writer_.Put(static_cast<std::uint64_t>(record.duration.count()));
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
    PutRange(loss.range);
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
  for (const KnownRecord& record : known.records) {
    Require(record.evidence != Evidence::kPredicted, ErrorCode::kInvalid, "known evidence");
    PutRange(record.range);
    writer_.Put(static_cast<std::uint8_t>(record.evidence));
    writer_.Put(static_cast<std::uint8_t>(record.this_boot ? kKnownFlagThisBoot : 0));
    writer_.Put(std::uint16_t{0});
  }
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

void PayloadWriter::Require(bool rule, ErrorCode code, std::string_view broken) {
  if (rule || !broken_.empty()) return;
  code_ = code;
  broken_ = broken;
}

void PayloadWriter::PutListHeader(std::size_t count, std::size_t limit) {
  Require(count > 0, ErrorCode::kInvalid, "empty list");
  Require(count <= limit, ErrorCode::kLimit, "more entries than one frame holds");
  writer_.Put(static_cast<std::uint16_t>(count));
  writer_.Put(std::uint16_t{0});
}

void PayloadWriter::PutRange(const ByteRange& range) {
  Require(IsWireRange(range), ErrorCode::kInvalid, "range");
  writer_.Put(range.start().value);
  writer_.Put(range.length());
}

void PayloadWriter::PutMilliseconds(std::chrono::milliseconds time) {
  const auto count = time.count();
  Require(count >= 0 && count <= std::numeric_limits<std::uint32_t>::max(), ErrorCode::kInvalid,
          "milliseconds");
  writer_.Put(static_cast<std::uint32_t>(count));
}

}  // namespace seaward::protocol
