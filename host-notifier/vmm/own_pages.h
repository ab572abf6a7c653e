// Pages of this process: what they are, and a fresh one in the place of a bad one.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "base/units.h"
#include "host-notifier/vmm/heal_message.h"

namespace seaward::vmm {

struct PageToReplace {
  HostVirtAddr address;               // of a whole page
  bool locked = false;                // mlock(2); only a thorough look tells
  std::optional<HealResult> refusal;  // why it must stay
};

enum class Look {
  // Milliseconds: what a VMM may wait for while its guest is reset.
  kQuick,
  // Reads smaps, for which the kernel walks the page tables of all of the guest's memory.
  kThorough,
};

// Sets `refusal` where a page must not be replaced: everybody who has the frame by other means than
// this mapping (another process, a device, the kernel) would go on using the bad one, or the guest
// would lose what they write. Changes errno. `proc_self` is /proc/self except in tests.
void JudgePages(std::span<PageToReplace> pages, Look look, const std::string& proc_self);

// Moves the frame out of the page into a mapping of its own, which nobody knows and which stays
// until the process ends: the page reads as zeros from here on, the frame is not free before the
// host has retired it, and nobody can touch it meanwhile (MREMAP_DONTUNMAP, Linux 5.7). One step:
// no other thread ever finds a hole. 0 or why it failed; then nothing has changed. Changes errno.
int SetAside(const PageToReplace& page, std::size_t bytes) noexcept;

}  // namespace seaward::vmm
