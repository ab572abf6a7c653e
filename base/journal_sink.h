// Log records as native fields of systemd's journal, one field per key, by its documented protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/): a datagram per record. Without libsystemd, which
// has no static archive for seaward-agent; and one way for both daemons.
//
// Fields: MESSAGE (the line that others get), PRIORITY, SYSLOG_IDENTIFIER, SEAWARD_EVENT, and
// SEAWARD_KEY for each key (JournalKey).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/unique_fd.h"

namespace seaward {

inline constexpr char kJournalSocket[] = "/run/systemd/journal/socket";

// "vm" -> "SEAWARD_VM". The journal takes upper-case letters, digits and underscores, 64 at most;
// anything else becomes an underscore.
std::string JournalKey(std::string_view key);

// The datagram of a record.
std::string EncodeJournalRecord(const LogRecord& record, std::string_view identifier);

// Whether `fd` is the stream to the journal that $JOURNAL_STREAM names: "DEVICE:INODE"
// (systemd.exec(5)). Whoever redirects a daemon's stderr wants its lines there.
bool IsJournalStream(const char* journal_stream, int fd);

// Thread-safe. What the journal does not take goes to stderr, as a line.
class JournalSink final : public LogSink {
 public:
  // nullptr: no such socket, or no more descriptors.
  static std::unique_ptr<JournalSink> Open(const std::string& path, std::string identifier);

  void Write(LogLevel level, std::string_view line) override { lines_.Write(level, line); }
  void Tell(const LogRecord& record) override;

 private:
  JournalSink(UniqueFd socket, std::string path, std::string identifier)
      : socket_(std::move(socket)), path_(std::move(path)), identifier_(std::move(identifier)) {}

  const UniqueFd socket_;
  const std::string path_;
  const std::string identifier_;
  StderrSink lines_;
};

// The journal when stderr goes there anyhow, otherwise stderr. `program`: SYSLOG_IDENTIFIER.
std::unique_ptr<LogSink> OpenLogSink(std::string program);

}  // namespace seaward
