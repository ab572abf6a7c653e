// From the raw words of a KVM_EXIT_ARM_SEA to a PoisonEvent. Pure; believes nothing that the
// architecture and KVM do not vouch for. Any thread.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/units.h"
#include "host-notifier/classify/poison_event.h"

namespace seaward {

// kvm_run.arm_sea as a VMM handed it over (Linux Documentation/virt/kvm/api.rst,
// KVM_EXIT_ARM_SEA), plus what the VMM knows about the place. Untrusted.
struct RawExit {
  std::uint64_t flags = 0;
  std::uint64_t esr = 0;
  std::uint64_t gva = 0;
  std::uint64_t gpa = 0;
  bool walked = false;  // `gpa` is of a table that the VMM side found; KVM gave none
  HostVirtAddr hva{};
  std::uint32_t vcpu = 0;
  std::uint32_t count = 1;
  MonoTime when{};
  WallTime wall{};
};

// Located only when all of this holds: an abort of a known class, not on a table walk, the GPA
// flagged valid, the faulting address valid (KVM derives the GPA from it), and the GPA below the
// largest guest physical address. Suspected: an abort on a table walk with a valid address, and a
// table that the VMM side found for it. Otherwise the GVA stands alone when the CPU vouches for it;
// otherwise the event is unlocated. The kernel's raw words are kept in every case.
PoisonEvent ClassifyExit(const RawExit& exit);

// What an operator or another tool reports: located, not yet an exit.
PoisonEvent ClassifyReport(const ByteRange& range, protocol::Evidence evidence, MonoTime when,
                           WallTime wall);

// The same without a place: somewhere in the VM.
PoisonEvent ClassifyPlaceless(protocol::Evidence evidence, MonoTime when, WallTime wall);

// Arm: guest physical addresses have at most 52 bits.
inline constexpr std::uint64_t kTopGuestPhysAddr = (std::uint64_t{1} << 52) - 1;

}  // namespace seaward
