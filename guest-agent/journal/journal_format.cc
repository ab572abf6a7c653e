#include "guest-agent/journal/journal_format.h"

#include <algorithm>

#include "base/byte_codec.h"
#include "base/crc32c.h"

namespace seaward::agent {
namespace {

using protocol::Evidence;
using protocol::Outcome;
using protocol::PageKind;
using protocol::Stage;

Uuid GetUuid(ByteReader& reader) {
  Uuid uuid;
  const auto bytes = reader.GetBytes(uuid.bytes.size());
  std::copy(bytes.begin(), bytes.end(), uuid.bytes.begin());
  return uuid;
}

template <class E>
bool Within(E value, E first, E last) {
  return value >= first && value <= last;
}

bool KnownVerdict(Outcome outcome, PageKind kind, Stage stage) {
  return Within(outcome, Outcome::kRetired, Outcome::kFailed) &&
         Within(kind, PageKind::kUnknown, PageKind::kOffline) &&
         Within(stage, Stage::kEarly, Stage::kRun);
}

bool CrcMatches(std::span<const std::byte> bytes) {
  ByteReader crc(bytes.last(4));
  return Crc32c(bytes.first(bytes.size() - 4)) == crc.Get<std::uint32_t>();
}

// The last two bytes of an entry; version 1 left them 0.
bool GetOrigin(ByteReader& reader, std::uint16_t version, JournalEntry& entry) {
  const auto evidence = static_cast<Evidence>(reader.Get<std::uint8_t>());
  const auto other_memory = reader.Get<std::uint8_t>();
  if (version == kFirstJournalVersion) return evidence == Evidence{0} && other_memory == 0;
  entry.evidence = evidence;
  entry.other_memory = other_memory == 1;
  return Within(evidence, Evidence::kConsumed, Evidence::kLatent) && other_memory <= 1;
}

std::optional<JournalEntry> GetEntry(ByteReader& reader, std::uint16_t version) {
  const GuestPhysAddr start{reader.Get<std::uint64_t>()};
  const auto range = ByteRange::Make(start, reader.Get<std::uint64_t>());
  if (!range) return std::nullopt;
  JournalEntry entry{.range = *range};
  entry.outcome = static_cast<Outcome>(reader.Get<std::uint8_t>());
  entry.kind = static_cast<PageKind>(reader.Get<std::uint8_t>());
  entry.stage = static_cast<Stage>(reader.Get<std::uint8_t>());
  const auto this_boot = reader.Get<std::uint8_t>();
  entry.this_boot = this_boot == 1;
  entry.sys_errno = reader.Get<std::uint16_t>();
  if (!GetOrigin(reader, version, entry)) return std::nullopt;
  if (this_boot > 1 || !KnownVerdict(entry.outcome, entry.kind, entry.stage)) return std::nullopt;
  return entry;
}

}  // namespace

std::vector<std::byte> EncodeJournal(const JournalContent& content) {
  const std::size_t count = std::min(content.entries.size(), kJournalMaxEntries);
  std::vector<std::byte> bytes(kJournalHeaderBytes + count * kJournalEntryBytes + 4);
  ByteWriter writer(bytes);
  writer.Put(kJournalMagic);
  writer.Put(kJournalVersion);
  writer.Put(std::uint16_t{0});
  for (const Uuid& uuid : {content.machine, content.incarnation, content.boot_id})
    writer.PutBytes(uuid.bytes);
  writer.Put(static_cast<std::uint32_t>(count));
  writer.Put(std::uint32_t{0});
  for (const JournalEntry& entry : std::span(content.entries).first(count)) {
    writer.Put(entry.range.start().value);
    writer.Put(entry.range.length());
    writer.Put(static_cast<std::uint8_t>(entry.outcome));
    writer.Put(static_cast<std::uint8_t>(entry.kind));
    writer.Put(static_cast<std::uint8_t>(entry.stage));
    writer.Put(static_cast<std::uint8_t>(entry.this_boot ? 1 : 0));
    writer.Put(entry.sys_errno);
    writer.Put(static_cast<std::uint8_t>(entry.evidence));
    writer.Put(static_cast<std::uint8_t>(entry.other_memory ? 1 : 0));
  }
  writer.Put(Crc32c(std::span(bytes).first(bytes.size() - 4)));
  return bytes;
}

Result<JournalContent> DecodeJournal(std::span<const std::byte> bytes) {
  if (bytes.size() < kJournalHeaderBytes + 4 || bytes.size() > kJournalMaxBytes)
    return Fail(ErrorCode::kCorrupt, "journal: of impossible length");
  if (!CrcMatches(bytes)) return Fail(ErrorCode::kCorrupt, "journal: checksum does not match");
  ByteReader reader(bytes.first(bytes.size() - 4));
  if (reader.Get<std::uint32_t>() != kJournalMagic)
    return Fail(ErrorCode::kCorrupt, "journal: not a journal");
  const auto version = reader.Get<std::uint16_t>();
  if (!Within(version, kFirstJournalVersion, kJournalVersion))
    return Fail(ErrorCode::kUnsupported, "journal: of another version");
  JournalContent content;
  const auto reserved = reader.Get<std::uint16_t>();
  content.machine = GetUuid(reader);
  content.incarnation = GetUuid(reader);
  content.boot_id = GetUuid(reader);
  const auto count = reader.Get<std::uint32_t>();
  if (reserved != 0 || reader.Get<std::uint32_t>() != 0 ||
      reader.remaining() != std::size_t{count} * kJournalEntryBytes)
    return Fail(ErrorCode::kCorrupt, "journal: header and length disagree");
  content.entries.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto entry = GetEntry(reader, version);
    const bool ascends = entry && (content.entries.empty() || content.entries.back().range.last() <
                                                                  entry->range.start().value);
    if (!ascends) return Fail(ErrorCode::kCorrupt, "journal: a bad entry");
    content.entries.push_back(*entry);
  }
  return content;
}

std::vector<std::byte> EncodeBootLogHeader(const Uuid& boot_id) {
  std::vector<std::byte> bytes(kBootLogHeaderBytes);
  ByteWriter writer(bytes);
  writer.Put(kBootLogMagic);
  writer.Put(kBootLogVersion);
  writer.Put(std::uint16_t{0});
  writer.PutBytes(boot_id.bytes);
  writer.Put(std::uint32_t{0});
  writer.Put(Crc32c(std::span(bytes).first(kBootLogHeaderBytes - 4)));
  return bytes;
}

Result<Uuid> DecodeBootLogHeader(std::span<const std::byte> bytes) {
  if (bytes.size() != kBootLogHeaderBytes || !CrcMatches(bytes))
    return Fail(ErrorCode::kCorrupt, "boot log: checksum does not match");
  ByteReader reader(bytes);
  if (reader.Get<std::uint32_t>() != kBootLogMagic)
    return Fail(ErrorCode::kCorrupt, "boot log: not a boot log");
  if (reader.Get<std::uint16_t>() != kBootLogVersion)
    return Fail(ErrorCode::kUnsupported, "boot log: of another version");
  (void)reader.Get<std::uint16_t>();
  return GetUuid(reader);
}

void EncodeBootRecord(const BootRecord& record, std::span<std::byte, kBootRecordBytes> out) {
  const bool done = record.concluded;
  const PageVerdict& verdict = record.verdict;
  ByteWriter writer(out);
  writer.Put(static_cast<std::uint8_t>(done ? 2 : 1));
  writer.Put(static_cast<std::uint8_t>(verdict.verb));
  writer.Put(static_cast<std::uint8_t>(done ? static_cast<unsigned>(verdict.outcome) : 0u));
  writer.Put(static_cast<std::uint8_t>(verdict.kind));
  writer.Put(static_cast<std::uint8_t>(done ? static_cast<unsigned>(verdict.stage) : 0u));
  writer.Put(std::uint8_t{0});
  writer.Put(verdict.sys_errno);
  writer.Put(record.range.start().value);
  writer.Put(record.range.length());
  writer.Put(static_cast<std::uint64_t>(verdict.duration.count()));
  writer.Put(std::uint32_t{0});
  writer.Put(Crc32c(std::span<const std::byte>(out).first(kBootRecordBytes - 4)));
}

std::optional<BootRecord> DecodeBootRecord(std::span<const std::byte> bytes) {
  if (bytes.size() != kBootRecordBytes || !CrcMatches(bytes)) return std::nullopt;
  ByteReader reader(bytes);
  BootRecord record;
  const auto type = reader.Get<std::uint8_t>();
  record.concluded = type == 2;
  PageVerdict& verdict = record.verdict;
  verdict.verb = static_cast<Verb>(reader.Get<std::uint8_t>());
  const auto outcome = static_cast<Outcome>(reader.Get<std::uint8_t>());
  verdict.kind = static_cast<PageKind>(reader.Get<std::uint8_t>());
  const auto stage = static_cast<Stage>(reader.Get<std::uint8_t>());
  (void)reader.Get<std::uint8_t>();
  verdict.sys_errno = reader.Get<std::uint16_t>();
  const GuestPhysAddr start{reader.Get<std::uint64_t>()};
  const auto range = ByteRange::Make(start, reader.Get<std::uint64_t>());
  verdict.duration = std::chrono::nanoseconds(reader.Get<std::uint64_t>());
  if (record.concluded) {
    verdict.outcome = outcome;
    verdict.stage = stage;
  }
  const bool known = Within(type, std::uint8_t{1}, std::uint8_t{2}) &&
                     Within(verdict.verb, Verb::kHard, Verb::kSoft) &&
                     KnownVerdict(verdict.outcome, verdict.kind, verdict.stage);
  if (!known || !range) return std::nullopt;
  record.range = *range;
  return record;
}

}  // namespace seaward::agent
