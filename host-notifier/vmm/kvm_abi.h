// KVM's numbers for arm64 that linux/kvm.h of Debian 12 does not have, or not on the machine that
// compiles this: Linux 6.19, include/uapi/linux/kvm.h and arch/arm64/include/uapi/asm/kvm.h.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace seaward::vmm::kvm {

inline constexpr std::uint32_t kCapArmSeaToUser = 245;
inline constexpr std::uint32_t kExitArmSea = 41;
#ifdef KVM_CAP_ARM_SEA_TO_USER
static_assert(KVM_CAP_ARM_SEA_TO_USER == kCapArmSeaToUser);
static_assert(KVM_EXIT_ARM_SEA == kExitArmSea);
#endif

// kvm_run.arm_sea
struct ArmSea {
  std::uint64_t flags;
  std::uint64_t esr;
  std::uint64_t gva;
  std::uint64_t gpa;
};

// struct kvm_vcpu_events of arm64.
struct ArmVcpuEvents {
  std::uint8_t serror_pending;
  std::uint8_t serror_has_esr;
  std::uint8_t ext_dabt_pending;
  std::uint8_t pad[5];
  std::uint64_t serror_esr;
  std::uint32_t reserved[12];
};
static_assert(sizeof(ArmVcpuEvents) == 64);

// struct kvm_vcpu_init of arm64, and two of its feature numbers.
struct ArmVcpuInit {
  std::uint32_t target;
  std::uint32_t features[7];
};
static_assert(sizeof(ArmVcpuInit) == 32);
inline constexpr unsigned kFeatureEl1Is32Bit = 1;  // KVM_ARM_VCPU_EL1_32BIT
inline constexpr unsigned kFeatureHasEl2 = 7;      // KVM_ARM_VCPU_HAS_EL2

// Both memory region structures start like this; the second ends with more.
struct MemoryRegion {
  std::uint32_t slot;
  std::uint32_t flags;
  std::uint64_t guest_phys_addr;
  std::uint64_t memory_size;
  std::uint64_t userspace_addr;
};
static_assert(sizeof(MemoryRegion) == sizeof(kvm_userspace_memory_region));
struct MemoryRegion2 {
  MemoryRegion region;
  std::uint64_t more[16];
};

// The low 32 bits: callers pass requests sign-extended, too.
inline constexpr std::uint32_t kCreateVm = KVM_CREATE_VM;
inline constexpr std::uint32_t kCreateVcpu = KVM_CREATE_VCPU;
inline constexpr std::uint32_t kRun = KVM_RUN;
inline constexpr std::uint32_t kEnableCap = KVM_ENABLE_CAP;
inline constexpr std::uint32_t kSetUserMemoryRegion = KVM_SET_USER_MEMORY_REGION;
inline constexpr std::uint32_t kSetUserMemoryRegion2 = _IOW(KVMIO, 0x49, MemoryRegion2);
inline constexpr std::uint32_t kSetVcpuEvents = _IOW(KVMIO, 0xa0, ArmVcpuEvents);
inline constexpr std::uint32_t kGetOneReg = KVM_GET_ONE_REG;
inline constexpr std::uint32_t kSetOneReg = KVM_SET_ONE_REG;
inline constexpr std::uint32_t kVcpuInit = _IOW(KVMIO, 0xae, ArmVcpuInit);
#ifdef KVM_SET_USER_MEMORY_REGION2
static_assert(KVM_SET_USER_MEMORY_REGION2 == kSetUserMemoryRegion2);
#endif

// The exit-specific words start at the same offset on every architecture.
static_assert(offsetof(kvm_run, exit_reason) == 8 && offsetof(kvm_run, mmio) == 32);

inline ArmSea ReadArmSea(const kvm_run& run) {
  ArmSea sea;
  std::memcpy(&sea, reinterpret_cast<const std::byte*>(&run) + offsetof(kvm_run, mmio), sizeof sea);
  return sea;
}

}  // namespace seaward::vmm::kvm
