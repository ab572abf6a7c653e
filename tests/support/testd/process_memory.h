// Memory of a process, by what the kernel keeps it as.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace seaward::testd {

enum class MemoryKind : unsigned { kAnonymous, kTmpfs, kHugetlb };

// "anonymous", "tmpfs", "hugetlb"
Result<MemoryKind> ParseMemoryKind(std::string_view text);

// Readable and writable; nullptr when there is none.
std::byte* MapAnonymous(std::uint64_t bytes);
// kTmpfs: page cache, shared. kHugetlb: pages of 64 KiB, which somebody reserved before
// (/sys/kernel/mm/hugepages); at least `bytes`.
std::byte* MapMemory(MemoryKind kind, std::uint64_t bytes);

}  // namespace seaward::testd
