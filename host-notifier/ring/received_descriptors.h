// What a process sent us as descriptors, before anything is done with them. Order matters: only
// calls that cannot wait for the sender come first (a FUSE file answers fstat, poll and even close
// when its server likes to).
#pragma once

#include <cstdint>

#include "base/result.h"

namespace seaward::ring {

// The size of a ring's memory: a tmpfs memfd of base pages, sealed against shrink, growth and
// further seals, at most vmm::kMaxRingBytes. kDenied when it could be taken away from under a
// reader (a hugetlb memfd carries the seals and still raises SIGBUS).
Result<std::uint64_t> CheckRingMemory(int fd);

// kInvalid unless it is an eventfd.
Status CheckDoorbell(int fd);

// Whether close() of this descriptor cannot wait: a memfd or an eventfd.
bool ClosesAtOnce(int fd);

}  // namespace seaward::ring
