#include "base/journal_sink.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/byte_codec.h"
#include "base/unix_socket.h"

namespace seaward {
namespace {

constexpr std::string_view kPrefix = "SEAWARD_";
constexpr std::size_t kLongestKey = 64;

// "KEY=value"; with the length before it when the value has line ends.
void Append(std::string& datagram, std::string_view key, std::string_view value) {
  datagram += key;
  if (value.find('\n') == std::string_view::npos) {
    datagram += '=';
  } else {
    std::array<std::byte, 8> length;
    ByteWriter(length).Put(static_cast<std::uint64_t>(value.size()));
    datagram += '\n';
    datagram.append(reinterpret_cast<const char*>(length.data()), length.size());
  }
  datagram += value;
  datagram += '\n';
}

bool TakeNumber(std::string_view& text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string JournalKey(std::string_view key) {
  std::string name(kPrefix);
  for (const char c : key.substr(0, kLongestKey - kPrefix.size())) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += lower ? static_cast<char>(c - 'a' + 'A') : kept ? c : '_';
  }
  return name;
}

std::string EncodeJournalRecord(const LogRecord& record, std::string_view identifier) {
  std::string datagram;
  Append(datagram, "MESSAGE", LineOf(record));
  Append(datagram, "PRIORITY", std::to_string(PriorityOf(record.level)));
  Append(datagram, "SYSLOG_IDENTIFIER", identifier);
  Append(datagram, JournalKey("event"), record.event);
  for (const LogField& field : record.fields) Append(datagram, JournalKey(field.key), field.value);
  return datagram;
}

bool IsJournalStream(const char* journal_stream, int fd) {
  if (journal_stream == nullptr) return false;
  std::string_view text = journal_stream;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  if (!TakeNumber(text, device) || !text.starts_with(':')) return false;
  text.remove_prefix(1);
  if (!TakeNumber(text, inode) || !text.empty()) return false;
  struct stat stream {};
  return ::fstat(fd, &stream) == 0 && stream.st_dev == device && stream.st_ino == inode;
}

std::unique_ptr<JournalSink> JournalSink::Open(const std::string& path, std::string identifier) {
  if (!UnixAddress(path) || ::access(path.c_str(), W_OK) != 0) return nullptr;
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return nullptr;
  return std::unique_ptr<JournalSink>(
      new JournalSink(std::move(socket), path, std::move(identifier)));
}

void JournalSink::Tell(const LogRecord& record) {
  const std::string datagram = EncodeJournalRecord(record, identifier_);
  // By name each time: a journal that was restarted has another socket. It never waits: a journal
  // that is stuck, or a record beyond a datagram's size, is stderr's.
  const auto address = UnixAddress(path_);
  const ssize_t sent =
      ::sendto(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&*address), sizeof(*address));
  if (sent < 0) lines_.Write(record.level, LineOf(record));
}

std::unique_ptr<LogSink> OpenLogSink(std::string program) {
  if (IsJournalStream(std::getenv("JOURNAL_STREAM"), STDERR_FILENO))
    if (auto journal = JournalSink::Open(kJournalSocket, std::move(program))) return journal;
  return std::make_unique<StderrSink>();
}

}  // namespace seaward
