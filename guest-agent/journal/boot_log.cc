#include "guest-agent/journal/boot_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/file_io.h"

namespace seaward::agent {
namespace {

// 65,536 pages with two records each, and room for retries.
constexpr std::size_t kBootLogCap = std::size_t{16} << 20;

enum class Found { kNothing, kOurs, kForeign };

Found Inspect(const std::string& path, const Uuid& boot_id) {
  auto bytes = ReadFile(path, kBootLogCap);
  if (!bytes && bytes.error().code == ErrorCode::kNotFound) return Found::kNothing;
  if (!bytes || bytes->size() < kBootLogHeaderBytes) return Found::kForeign;
  const auto owner = DecodeBootLogHeader(std::span(*bytes).first(kBootLogHeaderBytes));
  return owner && *owner == boot_id ? Found::kOurs : Found::kForeign;
}

}  // namespace

Result<BootLog> BootLog::Open(const std::string& path, const Uuid& boot_id) {
  const Found found = Inspect(path, boot_id);
  if (found == Found::kForeign && std::rename(path.c_str(), (path + ".stale").c_str()) != 0)
    return FailErrno(errno, "set aside " + path);
  auto fd = OpenFile(path, O_RDWR | O_CREAT | O_APPEND);
  if (!fd) return Forward(fd);
  BootLog log(std::move(*fd));
  log.set_aside_ = found == Found::kForeign;
  auto ready = found == Found::kOurs ? log.ReadAll(path) : log.Begin(boot_id);
  if (!ready) return Forward(ready);
  return log;
}

Status BootLog::Begin(const Uuid& boot_id) {
  return WriteAll(fd_.get(), EncodeBootLogHeader(boot_id));
}

Status BootLog::ReadAll(const std::string& path) {
  auto bytes = ReadFile(path, kBootLogCap);
  if (!bytes) return Forward(bytes);
  std::span<const std::byte> rest = std::span(*bytes).subspan(kBootLogHeaderBytes);
  while (rest.size() >= kBootRecordBytes) {
    if (auto record = DecodeBootRecord(rest.first(kBootRecordBytes))) {
      earlier_.push_back(*record);
    } else {
      skipped_bytes_ += kBootRecordBytes;
    }
    rest = rest.subspan(kBootRecordBytes);
  }
  skipped_bytes_ += rest.size();
  // Cut a torn tail off, or every later record would stand askew.
  const auto whole = static_cast<off_t>(bytes->size() - rest.size());
  if (!rest.empty() && ::ftruncate(fd_.get(), whole) != 0) return FailErrno(errno, path);
  return {};
}

void BootLog::Attempting(const ByteRange& page, Verb verb, protocol::PageKind kind) {
  Append(BootRecord{.concluded = false, .range = page, .verdict = {.kind = kind, .verb = verb}});
}

void BootLog::Concluded(const ByteRange& page, const PageVerdict& verdict) {
  Append(BootRecord{.concluded = true, .range = page, .verdict = verdict});
}

void BootLog::Append(const BootRecord& record) {
  std::array<std::byte, kBootRecordBytes> bytes;
  EncodeBootRecord(record, bytes);
  // One write per record: a killed agent leaves whole records behind. A full tmpfs must not keep
  // the page from being retired.
  if (::write(fd_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    ++unwritten_;
}

}  // namespace seaward::agent
