// What the agents of this boot did, on a tmpfs: survives an agent that is killed, not the boot.
// One agent at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "guest-agent/journal/journal_format.h"
#include "guest-agent/journal/mapped_tail.h"
#include "guest-agent/retire/page_retirer.h"

namespace seaward::agent {

class BootLog final : public AttemptRecord {
 public:
  // Opens or makes the log at `path` and reads what is in it. A log of another boot, or one whose
  // header is unreadable, is renamed to "<path>.stale" and a new one begun. kBusy: another agent
  // writes it.
  static Result<BootLog> Open(const std::string& path, const Uuid& boot_id);

  // In the order in which they were written.
  const std::vector<BootRecord>& earlier() const { return earlier_; }
  // Of the bytes found at Open: belonging to no record.
  std::uint64_t skipped_bytes() const { return skipped_bytes_; }
  bool set_aside() const { return set_aside_; }
  // Records that could not be written (tmpfs full).
  std::uint64_t unwritten() const { return unwritten_; }

  void Attempting(const ByteRange& page, Verb verb, protocol::PageKind kind) override;
  void Concluded(const ByteRange& page, const PageVerdict& verdict) override;

 private:
  struct Content {
    std::vector<BootRecord> records;
    std::uint64_t skipped_bytes = 0;
    std::uint64_t end = kBootLogHeaderBytes;  // of the last record
  };
  BootLog(MappedTail tail, Content earlier)
      : tail_(std::move(tail)),
        earlier_(std::move(earlier.records)),
        skipped_bytes_(earlier.skipped_bytes) {}
  static Content Read(std::span<const std::byte> bytes);
  void Append(const BootRecord& record);

  MappedTail tail_;
  std::vector<BootRecord> earlier_;
  std::uint64_t skipped_bytes_ = 0;
  std::uint64_t unwritten_ = 0;
  bool set_aside_ = false;
};

// The same interface for an agent without a writable /run: every verdict is forgotten with it.
class NoBootLog final : public AttemptRecord {
 public:
  void Attempting(const ByteRange&, Verb, protocol::PageKind) override {}
  void Concluded(const ByteRange&, const PageVerdict&) override {}
};

}  // namespace seaward::agent
