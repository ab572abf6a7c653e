#include "host-notifier/ring/received_descriptors.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "host-notifier/vmm/ring_format.h"
#include "host-notifier/vmm/ring_mapping.h"

namespace seaward::ring {
namespace {

// The kernel's own name of an open file. Names without a leading slash cannot be chosen by anybody
// who mounts a file system.
std::string KernelName(int fd) {
  std::array<char, 64> name{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t n = ::readlink(link.c_str(), name.data(), name.size());
  return n <= 0 ? std::string() : std::string(name.data(), static_cast<std::size_t>(n));
}

bool IsEventfd(int fd) {
  return KernelName(fd) == "anon_inode:[eventfd]";
}

// Answered by shmem and hugetlbfs alone; every other file system fails without being asked.
int SealsOf(int fd) {
  return ::fcntl(fd, F_GET_SEALS);
}

}  // namespace

Result<std::uint64_t> CheckRingMemory(int fd) {
  const int seals = SealsOf(fd);
  if (seals < 0) return Fail(ErrorCode::kDenied, "ring memory is no memfd", errno);
  if ((seals & vmm::RequiredSeals()) != vmm::RequiredSeals())
    return Fail(ErrorCode::kDenied, "ring memory lacks a seal");
  struct statfs fs {};
  if (::fstatfs(fd, &fs) != 0) return FailErrno(errno, "fstatfs of the ring");
  if (fs.f_type != TMPFS_MAGIC || fs.f_bsize != ::sysconf(_SC_PAGESIZE))
    return Fail(ErrorCode::kDenied, "ring memory is not of base pages");
  struct stat st {};
  if (::fstat(fd, &st) != 0) return FailErrno(errno, "fstat of the ring");
  const auto bytes = static_cast<std::uint64_t>(st.st_size);
  if (bytes < sizeof(vmm::RingHeader) || bytes > vmm::kMaxRingBytes)
    return Fail(ErrorCode::kInvalid, "ring size " + std::to_string(bytes));
  return bytes;
}

Status CheckDoorbell(int fd) {
  if (!IsEventfd(fd)) return Fail(ErrorCode::kInvalid, "doorbell is no eventfd");
  return {};
}

bool ClosesAtOnce(int fd) {
  return IsEventfd(fd) || SealsOf(fd) >= 0;
}

}  // namespace seaward::ring
