#include "tests/lab/poison/machine_ram.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/file_io.h"

namespace seaward::lab {
namespace {
constexpr std::size_t kPage = 4096;
}

Result<MachineRam> MachineRam::Open(const std::string& path, HostPhysAddr base) {
  auto fd = OpenFile(path, O_RDWR);
  if (!fd) return Fail(fd.error().code, "guest gone: " + fd.error().context, fd.error().sys_errno);
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0) return FailErrno(errno, path);
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0 || size % kPage != 0)
    return Fail(ErrorCode::kInvalid, path + ": not a RAM file (its size is no number of pages)");
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
  if (memory == MAP_FAILED) return FailErrno(errno, "mmap " + path);
  return MachineRam(std::move(*fd), static_cast<std::byte*>(memory), size, base);
}

MachineRam::MachineRam(MachineRam&& other) noexcept
    : fd_(std::move(other.fd_)),
      memory_(std::exchange(other.memory_, nullptr)),
      size_(other.size_),
      base_(other.base_) {}

MachineRam::~MachineRam() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

Result<std::uint64_t*> MachineRam::At(HostPhysAddr at) const {
  const std::uint64_t offset = at.value - base_.value;
  if (at.value < base_.value || offset + 8 > size_ || at.value % 8 != 0)
    return Fail(ErrorCode::kInvalid, fmt::format("{:#x} is not RAM of the machine", at.value));
  return Word(offset);
}

Result<std::uint64_t> MachineRam::Load(HostPhysAddr at) const {
  auto word = At(at);
  if (!word) return Forward(word);
  return __atomic_load_n(*word, __ATOMIC_ACQUIRE);
}

Status MachineRam::Store(HostPhysAddr at, std::uint64_t value) {
  auto word = At(at);
  if (!word) return Forward(word);
  __atomic_store_n(*word, value, __ATOMIC_RELEASE);
  return {};
}

Result<bool> MachineRam::Exchange(HostPhysAddr at, std::uint64_t expected, std::uint64_t desired) {
  auto word = At(at);
  if (!word) return Forward(word);
  return __atomic_compare_exchange_n(*word, &expected, desired, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE);
}

std::vector<std::size_t> MachineRam::PagesInUse() const {
  std::vector<std::size_t> pages;
  off_t at = 0;
  for (;;) {
    const off_t data = ::lseek(fd_.get(), at, SEEK_DATA);
    if (data < 0) return pages;  // ENXIO: no data any more
    at = ::lseek(fd_.get(), data, SEEK_HOLE);
    if (at < 0) at = static_cast<off_t>(size_);
    for (std::size_t page = static_cast<std::size_t>(data) & ~(kPage - 1);
         page < static_cast<std::size_t>(at); page += kPage)
      pages.push_back(page);
  }
}

}  // namespace seaward::lab
