#include "base/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace seaward {

Result<UniqueFd> OpenFile(const std::string& path, int flags, unsigned mode) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd.valid()) return FailErrno(errno, path);
  return fd;
}

Result<std::string> ReadTextFile(const std::string& path, std::size_t cap) {
  auto fd = OpenFile(path, O_RDONLY);
  if (!fd) return Forward(fd);
  std::string text;
  std::array<char, 4096> chunk;
  for (;;) {
    const ssize_t n = ::read(fd->get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, path);
    if (n == 0) return text;
    if (text.size() + static_cast<std::size_t>(n) > cap)
      return Fail(ErrorCode::kLimit, path + ": longer than " + std::to_string(cap) + " bytes");
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

Result<std::vector<std::byte>> ReadFile(const std::string& path, std::size_t cap) {
  auto text = ReadTextFile(path, cap);
  if (!text) return Forward(text);
  const auto bytes = std::as_bytes(std::span(*text));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

Status WriteAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

namespace {

Status SyncFolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  auto fd = OpenFile(folder, O_RDONLY | O_DIRECTORY);
  if (!fd) return Forward(fd);
  if (::fsync(fd->get()) != 0) return FailErrno(errno, "fsync " + folder);
  return {};
}

Status WriteTemporary(const std::string& path, std::span<const std::byte> bytes, unsigned mode) {
  auto fd = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  if (!fd) return Forward(fd);
  if (auto written = WriteAll(fd->get(), bytes); !written) {
    written.error().context = path;
    return Forward(written);
  }
  if (::fsync(fd->get()) != 0) return FailErrno(errno, "fsync " + path);
  return {};
}

}  // namespace

Status ReplaceFile(const std::string& path, std::span<const std::byte> bytes, unsigned mode) {
  const std::string temporary = path + ".new";
  auto written = WriteTemporary(temporary, bytes, mode);
  if (written && std::rename(temporary.c_str(), path.c_str()) != 0)
    written = FailErrno(errno, "rename to " + path);
  if (!written) {
    ::unlink(temporary.c_str());
    return Forward(written);
  }
  return SyncFolderOf(path);
}

}  // namespace seaward
