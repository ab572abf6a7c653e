// Whole files, with caps and durable replacement.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward {

// Opens with O_CLOEXEC added; the error names the path.
Result<UniqueFd> OpenFile(const std::string& path, int flags, unsigned mode = 0600);

// kLimit when the file is longer than `cap` bytes. Works on procfs and sysfs, whose size is 0.
Result<std::string> ReadTextFile(const std::string& path, std::size_t cap);
Result<std::vector<std::byte>> ReadFile(const std::string& path, std::size_t cap);

// Writes everything or fails; continues after a short write. Not for sysfs, where a second write
// acts twice.
Status WriteAll(int fd, std::span<const std::byte> bytes);

// Replaces `path` so that after a power cut either the old or the new content is there:
// temporary file beside it, fsync, rename, fsync of the folder. Nothing stays behind on failure.
Status ReplaceFile(const std::string& path, std::span<const std::byte> bytes, unsigned mode = 0600);

}  // namespace seaward
