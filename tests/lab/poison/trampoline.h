// The few instructions that turn a stage-2 fault on a listed page into a synchronous external
// abort, at the one place where KVM reads the syndrome. They run at the entry of
// kvm_handle_guest_abort(vcpu) of the emulated host's kernel, in the place of its tracing nop.
//
// Why so: QEMU's emulation never routes an external abort to EL2. Everything after these
// instructions is the stock kernel's own code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "tests/lab/poison/kernel_place.h"

namespace seaward::lab {

// Byte offsets in struct kvm_vcpu, from the kernel's BTF.
struct VcpuLayout {
  std::uint64_t esr = 0;    // arch.fault.esr_el2
  std::uint64_t hpfar = 0;  // arch.fault.hpfar_el2
};

struct Trampoline {
  std::vector<std::uint32_t> code;
  std::size_t list_offset = 0;  // bytes from the start to the list: a count, then page numbers
};

// How many pages can be bad at a time. The list is searched at every guest abort.
inline constexpr std::size_t kMaxPages = 32;
inline constexpr std::size_t kListBytes = 8 + 8 * kMaxPages;

// Code that starts at `at` and goes on at `resume`; the list follows it.
Result<Trampoline> BuildTrampoline(const VcpuLayout& layout, HostPhysAddr at, HostPhysAddr resume);

}  // namespace seaward::lab
