#include "guest-agent/journal/boot_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/file_io.h"

namespace seaward::agent {
namespace {

// 65,536 pages with two records each, and room for retries.
constexpr std::size_t kBootLogCap = std::size_t{16} << 20;

bool IsLogOf(const Uuid& boot_id, std::span<const std::byte> bytes) {
  if (bytes.size() < kBootLogHeaderBytes) return false;
  const auto owner = DecodeBootLogHeader(bytes.first(kBootLogHeaderBytes));
  return owner && *owner == boot_id;
}

bool IsUnused(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Two who append in the same place would each undo what the other wrote.
Result<UniqueFd> OpenAlone(const std::string& path) {
  auto fd = OpenFile(path, O_RDWR | O_CREAT);
  if (!fd) return Forward(fd);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd->get(), F_OFD_SETLK, &whole) == 0) return fd;
  if (errno == EAGAIN || errno == EACCES)
    return Fail(ErrorCode::kBusy, path + ": another agent writes it");
  return FailErrno(errno, path);
}

}  // namespace

Result<BootLog> BootLog::Open(const std::string& path, const Uuid& boot_id) {
  auto fd = OpenAlone(path);
  if (!fd) return Forward(fd);
  auto bytes = ReadFile(path, kBootLogCap);
  if (!bytes && bytes.error().code != ErrorCode::kLimit) return Forward(bytes);
  const bool ours = bytes && IsLogOf(boot_id, *bytes);
  const bool foreign = !ours && (!bytes || !bytes->empty());
  if (foreign) {
    if (std::rename(path.c_str(), (path + ".stale").c_str()) != 0)
      return FailErrno(errno, "set aside " + path);
    fd = OpenAlone(path);
    if (!fd) return Forward(fd);
  }
  if (!ours) {
    auto begun = WriteAll(fd->get(), EncodeBootLogHeader(boot_id));
    if (!begun) return Forward(begun);
  }
  Content earlier = ours ? Read(std::span(*bytes).subspan(kBootLogHeaderBytes)) : Content{};
  auto tail = MappedTail::Make(std::move(*fd), earlier.end);
  if (!tail) return Forward(tail);
  BootLog log(std::move(*tail), std::move(earlier));
  log.set_aside_ = foreign;
  return log;
}

BootLog::Content BootLog::Read(std::span<const std::byte> bytes) {
  Content content;
  // Behind the last record there is room that was set aside and not used.
  while (bytes.size() >= kBootRecordBytes && !IsUnused(bytes)) {
    if (auto record = DecodeBootRecord(bytes.first(kBootRecordBytes))) {
      content.records.push_back(*record);
    } else {
      content.skipped_bytes += kBootRecordBytes;
    }
    bytes = bytes.subspan(kBootRecordBytes);
    content.end += kBootRecordBytes;
  }
  // The next record is written over a torn one.
  if (!IsUnused(bytes)) content.skipped_bytes += bytes.size();
  return content;
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
  // A killed agent leaves whole records behind, or one that fails its check. A full tmpfs must not
  // keep the page from being retired.
  if (!tail_.Append(bytes)) ++unwritten_;
}

}  // namespace seaward::agent
