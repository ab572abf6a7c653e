// What KVM_ARM_VCPU_INIT made of a vCPU, as far as exceptions and translation care.
#pragma once

#include <cstdint>

#include "host-notifier/vmm/kvm_abi.h"
#include "host-notifier/vmm/vcpu_registers.h"

namespace seaward::vmm {

enum class VcpuKind : std::uint8_t {
  kUnknown,     // its initialisation was not seen
  kAArch64,     // EL1 is AArch64, there is no EL2
  kAArch32El1,  // a 32-bit guest kernel: other registers, other exceptions, other tables
  kNested,      // the guest has an EL2, to which its abort may be routed
};

VcpuKind KindOf(const kvm::ArmVcpuInit& init);

// Whether the vCPU, at `pstate`, is under an EL1 that is AArch64, with no EL2 beside it.
bool IsUnderAArch64El1(const VcpuRegisters& vcpu, VcpuKind kind, std::uint64_t pstate) noexcept;

}  // namespace seaward::vmm
