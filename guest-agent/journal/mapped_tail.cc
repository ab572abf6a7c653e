#include "guest-agent/journal/mapped_tail.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace seaward::agent {
namespace {

// Small: it is resident. A few hundred records.
constexpr std::uint64_t kWindowBytes = 16 << 10;

}  // namespace

Result<MappedTail> MappedTail::Make(UniqueFd file, std::uint64_t end) {
  MappedTail tail(std::move(file));
  if (auto mapped = tail.MapAt(end); !mapped) return Forward(mapped);
  return tail;
}

MappedTail::MappedTail(MappedTail&& other) noexcept
    : file_(std::move(other.file_)),
      window_(std::exchange(other.window_, {})),
      used_(other.used_),
      begin_(other.begin_) {}

MappedTail::~MappedTail() {
  if (!window_.empty()) ::munmap(window_.data(), window_.size());
}

Status MappedTail::MapAt(std::uint64_t end) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = end / page * page;
  const std::uint64_t bytes = std::max(kWindowBytes, page) + page;
  if (::fallocate(file_.get(), 0, static_cast<off_t>(begin), static_cast<off_t>(bytes)) != 0)
    return FailErrno(errno, "set room aside");
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                              file_.get(), static_cast<off_t>(begin));
  if (memory == MAP_FAILED) return FailErrno(errno, "map the end of a file");
  if (!window_.empty()) ::munmap(window_.data(), window_.size());
  window_ = {static_cast<std::byte*>(memory), bytes};
  begin_ = begin;
  used_ = end - begin;
  return {};
}

bool MappedTail::Append(std::span<const std::byte> bytes) {
  if (window_.size() - used_ < bytes.size() && !MapAt(begin_ + used_)) return false;
  std::copy(bytes.begin(), bytes.end(), window_.begin() + static_cast<std::ptrdiff_t>(used_));
  used_ += bytes.size();
  return true;
}

}  // namespace seaward::agent
