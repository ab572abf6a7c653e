// Injection `exact`: the vCPU's registers are made what the CPU would have made them, where KVM's
// own injection would change the abort (injection.h).
//
// Thread: the vCPU's own, between two KVM_RUN.
#pragma once

#include "host-notifier/vmm/exception_entry.h"
#include "host-notifier/vmm/sea_exit.h"
#include "host-notifier/vmm/vcpu_kind.h"

namespace seaward::vmm {

struct ExactEntry {
  CpuBeforeEntry before;
  CpuAfterEntry after;
};

// Reads the registers and decides on the new ones; changes nothing. nullopt: this vCPU, or this
// abort, is not to be emulated.
std::optional<ExactEntry> PlanExactEntry(const VcpuRegisters& vcpu, VcpuKind kind,
                                         const SeaExit& exit) noexcept;

// False, and PC and PSTATE as they were, when KVM refuses a register. ESR, FAR, ELR and SPSR may
// then be changed: whatever injects the abort instead overwrites them.
bool WriteExactEntry(const VcpuRegisters& vcpu, const ExactEntry& entry) noexcept;

}  // namespace seaward::vmm
