// The end of a file, as memory: what is stored there outlives the process, however it ends, and
// costs no system call. For a tmpfs; nothing is said of a power cut. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::agent {

class MappedTail {
 public:
  // Goes on at byte `end` of `file`, which is open for reading and writing. The file is longer than
  // what was appended: it ends in zero bytes. kIo when the file system has no room, or does not
  // know how to set some aside.
  static Result<MappedTail> Make(UniqueFd file, std::uint64_t end);
  MappedTail(MappedTail&& other) noexcept;
  MappedTail& operator=(MappedTail&&) = delete;
  ~MappedTail();

  // At most kLongest bytes. False: there was no room; nothing was stored, and the next call may
  // find some.
  bool Append(std::span<const std::byte> bytes);

  static constexpr std::size_t kLongest = 4096;

 private:
  explicit MappedTail(UniqueFd file) : file_(std::move(file)) {}
  Status MapAt(std::uint64_t end);

  UniqueFd file_;
  std::span<std::byte> window_;  // its pages exist: a store there cannot fail for want of room
  std::size_t used_ = 0;         // of the window
  std::uint64_t begin_ = 0;      // of the window, in the file
};

}  // namespace seaward::agent
