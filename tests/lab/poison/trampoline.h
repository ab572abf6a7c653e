// The few instructions that turn a stage-2 fault on a listed page into a synchronous external
// abort, before KVM has looked at anything but the syndrome. They run, in the place of the
// instruction that makes the stack frame, in the functions that the world switch calls with
// (vcpu, ...) for every abort of a guest: there the hardware's own registers still hold the fault.
// Whatever follows from the syndrome (whether the intermediate address can be believed, the
// translation of FAR through the guest's tables, everything after it) is the stock kernel's own
// code.
//
// Why so: QEMU's emulation never routes an external abort to EL2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "tests/lab/poison/kernel_place.h"

namespace seaward::lab {

// Byte offsets in struct kvm_vcpu, from the kernel's BTF.
struct VcpuLayout {
  std::uint64_t esr = 0;  // arch.fault.esr_el2
};

// The list in the machine's memory: a count of slots, then the slots. Who looks through it compares
// `page` first and believes the rest only then: a slot is filled with `page` last and freed by
// kFreeSlot there, while the kernel runs.
struct Slot {
  std::uint64_t page = 0;      // guest page number
  std::uint64_t guest = 0;     // page number of the root of its stage-2 tables
  std::uint64_t owner = 0;     // where the kernel sees the VMM's own page table entry
  std::uint64_t backing = 0;   // page number that this entry must hold: the poisoned host page
  std::uint64_t syndrome = 0;  // PoisonKind::Syndromes
};
inline constexpr std::size_t kSlotWords = 5;
inline constexpr std::uint64_t kFreeSlot = ~std::uint64_t{0};
// How many pages can be bad at a time. The list is searched at every guest abort.
inline constexpr std::size_t kMaxPages = 128;
inline constexpr std::size_t kListBytes = 8 + 8 * kSlotWords * kMaxPages;

// Code that starts at `at`, ends with `displaced` and goes on at `resume`. `list`: within a MiB.
Result<std::vector<std::uint32_t>> BuildTrampoline(const VcpuLayout& layout, HostPhysAddr at,
                                                   HostPhysAddr list, std::uint32_t displaced,
                                                   HostPhysAddr resume);

}  // namespace seaward::lab
