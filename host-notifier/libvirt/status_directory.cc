#include "host-notifier/libvirt/status_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>

#include "base/file_io.h"
#include "base/unique_fd.h"

namespace seaward {
namespace {

constexpr std::string_view kPidSuffix = ".pid";
constexpr std::size_t kMaxPidFile = 64;

// Files of libvirt belong to root or to whoever owns its run folder (session mode).
Status CheckOwner(int fd, uid_t folder_owner, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return FailErrno(errno, path);
  if (!S_ISREG(info.st_mode)) return Fail(ErrorCode::kDenied, path + " is not a regular file");
  if (info.st_uid != 0 && info.st_uid != folder_owner)
    return Fail(ErrorCode::kDenied, path + " belongs to uid " + std::to_string(info.st_uid));
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Fail(ErrorCode::kDenied, path + " is writable by others");
  return {};
}

Result<UniqueFd> OpenOwned(const std::string& path, uid_t folder_owner) {
  auto fd = OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return Forward(fd);
  if (auto owned = CheckOwner(fd->get(), folder_owner, path); !owned) return Forward(owned);
  return fd;
}

Result<std::string> ReadAll(int fd, std::size_t cap, const std::string& path) {
  std::string text;
  char chunk[16384];
  for (;;) {
    const ssize_t n = ::read(fd, chunk, sizeof(chunk));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, path);
    if (n == 0) return text;
    text.append(chunk, static_cast<std::size_t>(n));
    if (text.size() > cap) return Fail(ErrorCode::kLimit, path + " is too long");
  }
}

// The kernel's own answer to "who holds the lock that libvirt's child took before it became QEMU".
Status CheckLockHolder(int fd, pid_t pid, const std::string& path) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd, F_GETLK, &lock) != 0) return FailErrno(errno, path);
  if (lock.l_type == F_UNLCK)
    return Fail(ErrorCode::kDenied, path + " is not locked: that process is gone");
  if (lock.l_pid != pid)
    return Fail(ErrorCode::kDenied, path + " is locked by pid " + std::to_string(lock.l_pid));
  return {};
}

}  // namespace

std::vector<std::string> StatusDirectory::PidFiles() const {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path_.c_str()), ::closedir);
  if (!folder) return names;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view file = entry->d_name;
    if (file.size() > kPidSuffix.size() && file.ends_with(kPidSuffix))
      names.emplace_back(file.substr(0, file.size() - kPidSuffix.size()));
  }
  return names;
}

Result<DomainStatus> StatusDirectory::FindByName(const std::string& name) const {
  if (name.find('/') != std::string::npos) return Fail(ErrorCode::kInvalid, "domain name: " + name);
  struct stat folder {};
  if (::stat(path_.c_str(), &folder) != 0) return FailErrno(errno, path_);
  const std::string status_path = path_ + "/" + name + ".xml";
  auto status_file = OpenOwned(status_path, folder.st_uid);
  if (!status_file) return Forward(status_file);
  auto xml = ReadAll(status_file->get(), kMaxDomainXml, status_path);
  if (!xml) return Forward(xml);
  auto status = ParseDomainStatus(*xml, channel_name_);
  if (!status) return Forward(status);
  const std::string pid_path = path_ + "/" + name + std::string(kPidSuffix);
  auto pid_file = OpenOwned(pid_path, folder.st_uid);
  if (!pid_file) return Forward(pid_file);
  if (auto held = CheckLockHolder(pid_file->get(), status->pid, pid_path); !held)
    return Forward(held);
  return status;
}

Result<DomainStatus> StatusDirectory::FindByPid(pid_t pid) const {
  const std::string wanted = std::to_string(pid);
  for (const std::string& name : PidFiles()) {
    auto text = ReadTextFile(path_ + "/" + name + std::string(kPidSuffix), kMaxPidFile);
    if (!text) continue;
    while (!text->empty() && text->back() == '\n') text->pop_back();
    if (*text != wanted) continue;
    auto status = FindByName(name);
    if (!status) return Forward(status);
    if (status->pid == pid) return status;
  }
  return Fail(ErrorCode::kNotFound, "libvirt knows no domain with pid " + wanted);
}

}  // namespace seaward
