// Translation tables of the emulated host, found in its RAM from outside: the stage-2 tables that
// its KVM made for a guest, and the VMM's own entry for a page of the guest's memory (Arm ARM
// D8.3).
#pragma once

#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tests/lab/poison/kernel_place.h"
#include "tests/lab/poison/machine_ram.h"

namespace seaward::lab {

inline constexpr std::uint64_t kOutputAddress = 0x0000fffffffff000;
inline constexpr std::uint64_t kValidDescriptor = 1;
// In a process's last-level entry: nG when it is valid, Linux's mark of a page that is unmapped for
// a moment when it is not; clear in Linux's notes of what lies elsewhere (swap, a retired page).
inline constexpr unsigned kMapsBit = 11;

struct StageTwoLeaf {
  HostPhysAddr at;
  std::uint64_t descriptor = 0;
  HostPhysAddr root;        // of the guest's tables, as VTTBR_EL2 has it
  unsigned root_shift = 0;  // address bits below an index of the root: 30 or 39
};

// Leaves that map `page` to `backing`; more than one only when a freed table still shows an old
// one. kNotFound ("unmapped page"): the guest has not touched it. kUnsupported ("huge page"): a
// block maps it, so that it cannot be bad by itself.
Result<std::vector<StageTwoLeaf>> FindStageTwo(const MachineRam& ram, GuestPhysAddr page,
                                               HostPhysAddr backing);

// The process's own page table entry for `backing`, the host page behind `page`; for huge pages its
// block entry. kNotFound ("guest gone"): no process has that page.
struct Owner {
  HostPhysAddr entry;
  HostPhysAddr frame;  // what the entry holds: `backing`, or the huge page around it
};
Result<Owner> FindOwner(const MachineRam& ram, GuestPhysAddr page, HostPhysAddr backing);

}  // namespace seaward::lab
