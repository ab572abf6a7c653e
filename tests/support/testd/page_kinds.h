// Memory of a kind, for a process that holds it: what the kernel does with a bad page depends on
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace seaward::testd {

// One of: anonymous, tmpfs, file (of the disk), thp, hugetlb. The whole pages are mapped readable
// and writable; file and tmpfs ones are shared mappings of a file of the process's own. kInvalid
// for another word; kUnsupported when the kernel has no such pages to give.
struct KindOfMemory {
  std::byte* area = nullptr;
  int file = -1;  // of a file mapping
};
Result<KindOfMemory> MapKind(const std::string& kind, std::uint64_t bytes);

// What was written to the file is on its disk afterwards.
Status MakeClean(const KindOfMemory& memory, std::uint64_t bytes);

// An ext4 file system on a file of the root tmpfs, through a loop device; mounted at most once.
Status MountDisk();

// A module of /modules, by its name.
Status LoadModule(const std::string& name);
// Those of /modules/boot, which the machine's own devices need; in the order of their names.
Status LoadBootModules();

}  // namespace seaward::testd
