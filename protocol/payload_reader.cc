#include "protocol/payload_reader.h"

#include <limits>
#include <string>

#include "protocol/codec.h"
#include "protocol/rules.h"

namespace seaward::protocol {

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
  hello.stage = GetEnum(Stage::kEarly, Stage::kRun);
  GetReserved<std::uint8_t>();
  GetReserved<std::uint16_t>();
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
  poison.entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    PoisonEntry& entry = poison.entries.emplace_back();
    entry.id = reader_.Get<std::uint64_t>();
    entry.range = GetRange();
    entry.evidence = GetEnum(Evidence::kConsumed, Evidence::kPredicted);
    const auto flags = reader_.Get<std::uint8_t>();
    entry.replay = (flags & kPoisonFlagReplay) != 0;
    GetReserved<std::uint16_t>();
    Require(entry.id != 0, "poison entry without id");
    Require((flags & ~kPoisonFlagReplay) == 0, "poison flags");
  }
  return poison;
}

Clear PayloadReader::ReadClear() {
  Clear clear;
  const std::size_t count = GetCount(kClearRangeBytes);
  clear.ranges.reserve(count);
  for (std::size_t i = 0; i < count; ++i) clear.ranges.push_back(GetRange());
  return clear;
}

Verdict PayloadReader::ReadVerdict() {
  Verdict verdict;
  const std::size_t count = GetCount(kVerdictRecordBytes);
  verdict.records.reserve(count);
  for (std::size_t i = 0; i < count; ++i) verdict.records.push_back(ReadRecord());
  return verdict;
}

VerdictRecord PayloadReader::ReadRecord() {
  VerdictRecord record;
  record.id = reader_.Get<std::uint64_t>();
  record.range = GetRange();
  record.outcome = GetEnum(Outcome::kRetired, Outcome::kFailed);
  record.kind = GetEnum(PageKind::kUnknown, PageKind::kOffline);
  record.stage = GetEnum(Stage::kEarly, Stage::kRun);
  GetReserved<std::uint8_t>();
  record.sys_errno = reader_.Get<std::uint16_t>();
  GetReserved<std::uint16_t>();
  record.next_try = std::chrono::milliseconds(reader_.Get<std::uint32_t>());
  const auto duration = reader_.Get<std::uint64_t>();
  Require(record.id != 0, "verdict record without id");
  Require(record.outcome == Outcome::kDeferred || record.next_try.count() == 0,
          "next try without deferral");
  Require(duration <= std::numeric_limits<std::int64_t>::max(), "duration");
  record.duration = std::chrono::nanoseconds(static_cast<std::int64_t>(duration));
  return record;
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
  GetReserved<std::uint16_t>();
  Require(count > 0 && count <= kMaxLosses, "count of losses");
  for (std::size_t i = 0; i < count && reader_.remaining() >= kShortest; ++i) {
    Loss& loss = losses.losses.emplace_back();
    loss.id = reader_.Get<std::uint64_t>();
    loss.range = GetRange();
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
  known.records.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    KnownRecord& record = known.records.emplace_back();
    record.range = GetRange();
    record.evidence = GetEnum(Evidence::kConsumed, Evidence::kLatent);
    const auto boot = reader_.Get<std::uint8_t>();
    record.this_boot = (boot & kKnownFlagThisBoot) != 0;
    GetReserved<std::uint16_t>();
    Require((boot & ~kKnownFlagThisBoot) == 0, "known record flags");
  }
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

ByteRange PayloadReader::GetRange() {
  const GuestPhysAddr start{reader_.Get<std::uint64_t>()};
  const auto length = reader_.Get<std::uint64_t>();
  const Result<ByteRange> range = ByteRange::Make(start, length);
  Require(range && IsWireRange(*range), "range");
  return range ? *range : ByteRange::Granule({});
}

template <class Enum>
Enum PayloadReader::GetEnum(Enum lowest, Enum highest) {
  const auto value = static_cast<Enum>(reader_.Get<std::uint8_t>());
  Require(value >= lowest && value <= highest, "enumeration value");
  return value;
}

std::size_t PayloadReader::GetCount(std::size_t entry_bytes) {
  const std::size_t count = reader_.Get<std::uint16_t>();
  GetReserved<std::uint16_t>();
  Require(count > 0, "empty list");
  Require(reader_.remaining() == count * entry_bytes, "list length");
  return broken_.empty() ? count : 0;
}

template <class T>
void PayloadReader::GetReserved() {
  Require(reader_.Get<T>() == 0, "reserved field");
}

void PayloadReader::Require(bool rule, std::string_view broken) {
  if (!rule && broken_.empty()) broken_ = broken;
}

}  // namespace seaward::protocol
