// What the guest is to be told about an exit. Pure.
#pragma once

#include <cstdint>

#include "host-notifier/vmm/sea_exit.h"

namespace seaward::vmm {

enum class InjectMode : std::uint8_t {
  kAuto,   // kKvm where it is exact, kExact otherwise
  kKvm,    // KVM_SET_VCPU_EVENTS with ext_dabt_pending
  kExact,  // the registers written as the CPU would have; kKvm where that is refused
  kNone,   // nothing: the VMM deals with the exit
};

// Whether a guest that gets KVM's ext_dabt_pending sees what the CPU would have shown it. KVM
// injects a plain data abort (FSC 0x10) with a valid FAR and drops WnR, CM, EA, SET
// (arch/arm64/kvm/inject_fault.c), so everything else arrives changed.
bool KvmInjectsExactly(std::uint64_t esr);

// Whether the registers are to be read for an exact entry before DecideInjection is asked.
bool WantsExactEntry(InjectMode mode, std::uint64_t esr);

// `exact_possible`: such an entry was worked out.
Injection DecideInjection(InjectMode mode, std::uint64_t esr, bool exact_possible);

}  // namespace seaward::vmm
