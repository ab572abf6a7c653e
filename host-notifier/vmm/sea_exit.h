// What one KVM_EXIT_ARM_SEA said, as the VMM side passes it on. Numbers: Linux
// Documentation/virt/kvm/api.rst, KVM_EXIT_ARM_SEA.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/units.h"

namespace seaward::vmm {

// Values are written into ring records: never renumber.
enum class Injection : std::uint8_t {
  kNone = 0,        // nobody told the guest
  kKvm = 1,         // ext_dabt_pending, and the guest sees exactly what the CPU would have shown
  kKvmInexact = 2,  // ext_dabt_pending, but the guest's ESR or FAR differs from the hardware's
  kVmm = 3,         // left to the VMM, which handles the exit itself
  kExact = 4,       // the registers written as the CPU would have written them
  kNative = 5,  // the vCPU is held: the host is to retire the page, and the VMM to tell the guest
};

inline constexpr Injection kLastInjection = Injection::kNative;

// kvm_run.arm_sea.flags: `gpa` holds an address.
inline constexpr std::uint64_t kSeaFlagGpaValid = 1;

struct SeaExit {
  MonoTime when;
  std::uint64_t flags = 0;
  std::uint64_t esr = 0;
  GuestVirtAddr gva;
  // KVM's, when flags say so; with `walked`, of the table that the vCPU's walk could not read,
  // found in the guest's own tables: a suspicion.
  GuestPhysAddr gpa;
  bool walked = false;
  HostVirtAddr hva;             // 0 = unknown
  std::uint8_t page_shift = 0;  // log2 of the backing page size, 0 = unknown
  Injection injection = Injection::kNone;
  bool held = false;  // the vCPU waits for the guest's verdict before the guest is told
};

}  // namespace seaward::vmm
