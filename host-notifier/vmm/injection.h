// What the guest is to be told about an exit. Pure.
#pragma once

#include <chrono>
#include <cstdint>

#include "host-notifier/vmm/sea_exit.h"

namespace seaward::vmm {

enum class InjectMode : std::uint8_t {
  kAuto,    // kNative where it is offered, else kKvm where that is exact, else kExact
  kNative,  // as kAuto, and said when it is not offered
  kKvm,     // KVM_SET_VCPU_EVENTS with ext_dabt_pending
  kExact,   // the registers written as the CPU would have; kKvm where that is refused
  kNone,    // nothing: the VMM deals with the exit
};

// How long a vCPU is held in mode native. Long enough for two commits of a ledger on a busy disk;
// short against what a guest takes for a dead CPU (its soft lockup detector waits 20 s).
inline constexpr std::chrono::milliseconds kDefaultNativeWait{500};

// Whether a guest that gets KVM's ext_dabt_pending sees what the CPU would have shown it. KVM
// injects a plain data abort (FSC 0x10) with a valid FAR and drops WnR, CM, EA, SET
// (arch/arm64/kvm/inject_fault.c), so everything else arrives changed.
bool KvmInjectsExactly(std::uint64_t esr);

// Whether the host may settle this exit: it can find the page, and the error stayed there. A guest
// is told of an uncontainable one (SET = 2) in its own syndrome, because GHES would call it
// recoverable.
bool HostMaySettle(InjectMode mode, const SeaExit& exit);

// Whether the registers are to be read for an exact entry before DecideInjection is asked.
bool WantsExactEntry(InjectMode mode, std::uint64_t esr);

// `exact_possible`: such an entry was worked out.
Injection DecideInjection(InjectMode mode, std::uint64_t esr, bool exact_possible);

}  // namespace seaward::vmm
