// Reading memory of this process that may not be readable: guest pages can be absent, beyond the
// end of their file, or known to the host as bad, and the VMM must not get a signal for our
// looking.
#pragma once

#include <cstddef>
#include <span>

#include "base/units.h"

namespace seaward::vmm {

// True when all of `to` was filled. The kernel does the copying (process_vm_readv on ourselves,
// which needs no right), so that an unreadable page is EFAULT here and SIGBUS or SIGSEGV nowhere.
// Memory that is bad and that nobody knows of is no different from any other load: only walk where
// the CPU has just walked. Changes errno. Any thread.
bool ReadOwnMemory(HostVirtAddr from, std::span<std::byte> to) noexcept;

}  // namespace seaward::vmm
