// What an Arm CPU does to its registers when it takes a synchronous external abort to an EL1 that
// runs AArch64. Pure.
//
// Source: the Arm ARM's shared pseudocode, AArch64.Abort and AArch64.TakeException.
#pragma once

#include <cstdint>
#include <optional>

#include "base/units.h"

namespace seaward::vmm {

// Of the vCPU at the instruction that aborted.
struct CpuBeforeEntry {
  std::uint64_t pc = 0;
  std::uint64_t pstate = 0;  // in the layout of SPSR_ELx, as KVM shows it
  std::uint64_t vbar_el1 = 0;
  std::uint64_t sctlr_el1 = 0;
  std::uint64_t sctlr2_el1 = 0;  // 0 where the vCPU has none
  std::uint64_t id_aa64pfr1_el1 = 0;
};

struct CpuAfterEntry {
  std::uint64_t pc = 0;
  std::uint64_t pstate = 0;
  std::uint64_t esr_el1 = 0;
  // None when the abort has no valid address: the architecture then leaves FAR_EL1 UNKNOWN.
  std::optional<std::uint64_t> far_el1;
  std::uint64_t elr_el1 = 0;
  std::uint64_t spsr_el1 = 0;
  // The handler's first instruction lies where the fetch just failed: the guest cannot get on.
  bool handler_is_bad = false;
};

// `esr` and `far` as the exit says them. nullopt: not an abort of a memory error; PSTATE says EL2,
// EL3 or an AArch32 mode other than User; or the vCPU has features whose part in an exception entry
// is not known here. The caller makes sure that EL1 is AArch64 when PSTATE says AArch32 User.
std::optional<CpuAfterEntry> TakeAbortToEl1(const CpuBeforeEntry& before, std::uint64_t esr,
                                            GuestVirtAddr far);

}  // namespace seaward::vmm
