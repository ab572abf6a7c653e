#include "protocol/payload_reader.h"

#include <limits>
#include <string>

#include "protocol/codec.h"
#include "protocol/rules.h"

namespace seaward::protocol {

inline void PayloadReader::GetRange(ByteReader& from, ByteRange& range) {
  const GuestPhysAddr start{from.Get<std::uint64_t>()};
  const auto length = from.Get<std::uint64_t>();
  // Nearly all of them are of one page, and such a range cannot wrap.
  if (length == kPoisonGranule) [[likely]] {
    range = ByteRange::Granule(start);
    Require(range.start() == start && IsWireRange(range), "range");
  } else {
    range = RangeOf(start, length);
  }
}

template <class Enum>
inline Enum PayloadReader::GetEnum(ByteReader& from, Enum lowest, Enum highest) {
  const auto value = static_cast<Enum>(from.Get<std::uint8_t>());
  Require(value >= lowest && value <= highest, "enumeration value");
  return value;
}

template <class T>
inline void PayloadReader::GetReserved(ByteReader& from) {
  Require(from.Get<T>() == 0, "reserved field");
}

Result<Message> PayloadReader::Read(MessageType type) {
  Message message;
  // No default label: the compiler names a type that is missing here. Unknown numbers fall through.
  bool known = true;
  switch (type) {
    case MessageType::kHelloRequest:
      message = HelloRequest{};
      break;
    case MessageType::kHello:
      message = ReadHello();
      break;
    case MessageType::kHelloAck:
      message = ReadHelloAck();
      break;
    case MessageType::kSync:
      message = ReadSync();
      break;
    case MessageType::kPoison:
      message = ReadPoison();
      break;
    case MessageType::kClear:
      message = ReadClear();
      break;
    case MessageType::kVerdict:
      message = ReadVerdict();
      break;
    case MessageType::kPing:
      message = Ping{};
      break;
    case MessageType::kPong:
      message = Pong{};
      break;
    case MessageType::kStats:
      message = ReadStats();
      break;
    case MessageType::kLosses:
      message = ReadLosses();
      break;
    case MessageType::kRecall:
      message = Recall{};
      break;
    case MessageType::kKnown:
      message = ReadKnown();
      break;
    case MessageType::kBeforeKernel:
      message = ReadBeforeKernel();
      break;
    default:
      known = false;
      break;  // a number from the wire, not an enumerator of ours
  }
  if (!known) return Fail(ErrorCode::kUnsupported, "unknown message type");
  Require(reader_.ok(), "payload too short");
  Require(reader_.remaining() == 0, "payload too long");
  if (!broken_.empty()) return Fail(ErrorCode::kInvalid, std::string(broken_));
  return message;
}

Hello PayloadReader::ReadHello() {
  Hello hello;
  hello.boot_id = GetUuid();
  hello.machine = GetUuid();
  hello.incarnation = GetUuid();
  hello.stage = GetEnum(reader_, Stage::kEarly, Stage::kRun);
  GetReserved<std::uint8_t>(reader_);
  GetReserved<std::uint16_t>(reader_);
  hello.page_size = reader_.Get<std::uint32_t>();
  hello.digest = reader_.Get<std::uint64_t>();
  hello.entries = reader_.Get<std::uint32_t>();
  const std::size_t length = reader_.Get<std::uint8_t>();
  hello.agent_version = GetText(length);
  Require(!hello.boot_id.IsNil(), "hello without boot id");
  Require(IsGuestPageSize(hello.page_size), "page size");
  Require(IsVersionText(hello.agent_version), "agent version");
  return hello;
}

HelloAck PayloadReader::ReadHelloAck() {
  HelloAck ack;
  ack.incarnation = GetUuid();
  ack.heartbeat = std::chrono::milliseconds(reader_.Get<std::uint32_t>());
  return ack;
}

Sync PayloadReader::ReadSync() {
  Sync sync;
  sync.digest = reader_.Get<std::uint64_t>();
  sync.entries = reader_.Get<std::uint32_t>();
  return sync;
}

Poison PayloadReader::ReadPoison() {
  Poison poison;
  const std::size_t count = GetCount(kPoisonEntryBytes);
  GetEach<kPoisonEntryBytes>(
      poison.entries, count, {}, [this](ByteReader& from, PoisonEntry& entry) {
        entry.id = from.Get<std::uint64_t>();
        GetRange(from, entry.range);
        entry.evidence = GetEnum(from, Evidence::kConsumed, Evidence::kPredicted);
        const auto flags = from.Get<std::uint8_t>();
        entry.replay = (flags & kPoisonFlagReplay) != 0;
        GetReserved<std::uint16_t>(from);
        Require(entry.id != 0, "poison entry without id");
        Require((flags & ~kPoisonFlagReplay) == 0, "poison flags");
      });
  return poison;
}

Clear PayloadReader::ReadClear() {
  Clear clear;
  const std::size_t count = GetCount(kClearRangeBytes);
  GetEach<kClearRangeBytes>(clear.ranges, count, ByteRange::Granule({}),
                            [this](ByteReader& from, ByteRange& range) { GetRange(from, range); });
  return clear;
}

[[gnu::always_inline]] inline void PayloadReader::GetRecord(ByteReader& from,
                                                            VerdictRecord& record) {
  record.id = from.Get<std::uint64_t>();
  GetRange(from, record.range);
  record.outcome = GetEnum(from, Outcome::kRetired, Outcome::kFailed);
  record.kind = GetEnum(from, PageKind::kUnknown, PageKind::kOffline);
  record.stage = GetEnum(from, Stage::kEarly, Stage::kRun);
  GetReserved<std::uint8_t>(from);
  record.sys_errno = from.Get<std::uint16_t>();
  GetReserved<std::uint16_t>(from);
  record.next_try = std::chrono::milliseconds(from.Get<std::uint32_t>());
  const auto duration = from.Get<std::uint64_t>();
  Require(record.id != 0, "verdict record without id");
  Require(record.outcome == Outcome::kDeferred || record.next_try.count() == 0,
          "next try without deferral");
  Require(duration <= std::numeric_limits<std::int64_t>::max(), "duration");
  record.duration = std::chrono::nanoseconds(static_cast<std::int64_t>(duration));
}

Verdict PayloadReader::ReadVerdict() {
  Verdict verdict;
  const std::size_t count = GetCount(kVerdictRecordBytes);
  GetEach<kVerdictRecordBytes>(
      verdict.records, count, {},
      [this](ByteReader& from, VerdictRecord& record) { GetRecord(from, record); });
  return verdict;
}

Stats PayloadReader::ReadStats() {
  Stats stats;
  stats.retired_bytes = reader_.Get<std::uint64_t>();
  stats.budget_bytes = reader_.Get<std::uint64_t>();
  stats.hardware_corrupted_bytes = reader_.Get<std::uint64_t>();
  stats.dropped_bytes = reader_.Get<std::uint64_t>();
  stats.rejected_frames = reader_.Get<std::uint64_t>();
  return stats;
}

Losses PayloadReader::ReadLosses() {
  Losses losses;
  // Their lengths differ: the shortest one bounds the count.
  constexpr std::size_t kShortest = kMaxLossBytes - kMaxCommBytes - kMaxCgroupBytes;
  const std::size_t count = reader_.Get<std::uint16_t>();
  GetReserved<std::uint16_t>(reader_);
  Require(count > 0 && count <= kMaxLosses, "count of losses");
  for (std::size_t i = 0; i < count && reader_.remaining() >= kShortest; ++i) {
    Loss& loss = losses.losses.emplace_back();
    loss.id = reader_.Get<std::uint64_t>();
    GetRange(reader_, loss.range);
    loss.lost_bytes = reader_.Get<std::uint64_t>();
    loss.pid = reader_.Get<std::uint32_t>();
    loss.comm = GetText(reader_.Get<std::uint8_t>());
    loss.cgroup = GetText(reader_.Get<std::uint8_t>());
    Require(loss.id != 0, "loss without id");
    Require(loss.pid != 0 || loss.comm.empty(), "a name without a process");
    Require(IsPrintable(loss.comm, kMaxCommBytes), "comm");
    Require(IsPrintable(loss.cgroup, kMaxCgroupBytes), "cgroup");
  }
  Require(losses.losses.size() == count, "fewer losses than said");
  return losses;
}

std::string PayloadReader::GetText(std::size_t length) {
  std::string text;
  for (const std::byte b : reader_.GetBytes(length))
    text += static_cast<char>(std::to_integer<unsigned char>(b));
  return text;
}

Known PayloadReader::ReadKnown() {
  Known known;
  const std::size_t count = reader_.Get<std::uint16_t>();
  const auto flags = reader_.Get<std::uint16_t>();
  known.last = (flags & kKnownFlagLast) != 0;
  Require((flags & ~kKnownFlagLast) == 0, "known flags");
  Require(count > 0 || known.last, "empty list");
  Require(reader_.remaining() == count * kKnownRecordBytes, "list length");
  if (!broken_.empty()) return known;
  GetEach<kKnownRecordBytes>(
      known.records, count, {}, [this](ByteReader& from, KnownRecord& record) {
        GetRange(from, record.range);
        record.evidence = GetEnum(from, Evidence::kConsumed, Evidence::kLatent);
        const auto boot = from.Get<std::uint8_t>();
        record.this_boot = (boot & kKnownFlagThisBoot) != 0;
        GetReserved<std::uint16_t>(from);
        Require((boot & ~kKnownFlagThisBoot) == 0, "known record flags");
      });
  return known;
}

BeforeKernel PayloadReader::ReadBeforeKernel() {
  BeforeKernel before;
  const auto result = reader_.Get<std::uint8_t>();
  before.result = static_cast<ListResult>(result);
  Require(reader_.Get<std::uint8_t>() == 0, "reserved field of before-kernel");
  before.boots = reader_.Get<std::uint16_t>();
  before.listed_pages = reader_.Get<std::uint32_t>();
  before.protected_pages = reader_.Get<std::uint32_t>();
  Require(before.result >= ListResult::kApplied && before.result <= ListResult::kNoVolume,
          "result of before-kernel");
  Require(before.protected_pages <= before.listed_pages, "more pages protected than listed");
  return before;
}

Uuid PayloadReader::GetUuid() {
  Uuid uuid;
  const auto bytes = reader_.GetBytes(uuid.bytes.size());
  std::copy(bytes.begin(), bytes.end(), uuid.bytes.begin());
  return uuid;
}

ByteRange PayloadReader::RangeOf(GuestPhysAddr start, std::uint64_t length) {
  const Result<ByteRange> range = ByteRange::Make(start, length);
  Require(range && IsWireRange(*range), "range");
  return range ? *range : ByteRange::Granule({});
}

std::size_t PayloadReader::GetCount(std::size_t entry_bytes) {
  const std::size_t count = reader_.Get<std::uint16_t>();
  GetReserved<std::uint16_t>(reader_);
  Require(count > 0, "empty list");
  Require(reader_.remaining() == count * entry_bytes, "list length");
  return broken_.empty() ? count : 0;
}

void PayloadReader::Refuse(std::string_view broken) {
  if (broken_.empty()) broken_ = broken;
}

}  // namespace seaward::protocol
