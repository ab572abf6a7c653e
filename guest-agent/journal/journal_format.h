// Numbers and codecs of the agent's two files; see FORMAT.md beside this. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "guest-agent/retire/page_verdict.h"

namespace seaward::agent {

inline constexpr std::uint32_t kJournalMagic = 0x4e4a5753;  // "SWJN"
inline constexpr std::uint32_t kBootLogMagic = 0x4c425753;  // "SWBL"
// Version 1 kept neither evidence nor whose memory an entry is about; it is still read.
inline constexpr std::uint16_t kJournalVersion = 2;
inline constexpr std::uint16_t kFirstJournalVersion = 1;
inline constexpr std::uint16_t kBootLogVersion = 1;
inline constexpr std::size_t kJournalHeaderBytes = 64;
inline constexpr std::size_t kJournalEntryBytes = 24;
inline constexpr std::size_t kJournalMaxEntries = 16384;
inline constexpr std::size_t kJournalMaxBytes =
    kJournalHeaderBytes + kJournalMaxEntries * kJournalEntryBytes + 4;
inline constexpr std::size_t kBootLogHeaderBytes = 32;
inline constexpr std::size_t kBootRecordBytes = 40;

struct JournalEntry {
  ByteRange range = ByteRange::Granule({});
  protocol::Outcome outcome = protocol::Outcome::kFailed;
  protocol::PageKind kind = protocol::PageKind::kUnknown;
  protocol::Stage stage = protocol::Stage::kRun;
  bool this_boot = false;
  std::uint16_t sys_errno = 0;
  protocol::Evidence evidence = protocol::Evidence::kLatent;  // never kPredicted
  // Retired in this boot while another memory was behind the guest: it migrated since.
  bool other_memory = false;
  bool operator==(const JournalEntry&) const = default;
};

struct JournalContent {
  Uuid machine;
  Uuid incarnation;
  Uuid boot_id;
  std::vector<JournalEntry> entries;  // ascending, disjoint, at most kJournalMaxEntries
  bool operator==(const JournalContent&) const = default;
};

std::vector<std::byte> EncodeJournal(const JournalContent& content);
// kCorrupt: fails a check; kUnsupported: a version that this agent does not know.
Result<JournalContent> DecodeJournal(std::span<const std::byte> bytes);

struct BootRecord {
  bool concluded = false;  // false: the attempt was about to begin; only range, verb, kind count
  ByteRange range = ByteRange::Granule({});
  PageVerdict verdict;
  bool operator==(const BootRecord&) const = default;
};

std::vector<std::byte> EncodeBootLogHeader(const Uuid& boot_id);
// kCorrupt as above.
Result<Uuid> DecodeBootLogHeader(std::span<const std::byte> bytes);
// Fills exactly kBootRecordBytes; allocates nothing.
void EncodeBootRecord(const BootRecord& record, std::span<std::byte, kBootRecordBytes> out);
std::optional<BootRecord> DecodeBootRecord(std::span<const std::byte> bytes);

}  // namespace seaward::agent
