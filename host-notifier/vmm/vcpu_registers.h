// Registers of one arm64 vCPU through KVM_GET_ONE_REG and KVM_SET_ONE_REG. Thread: the vCPU's own,
// outside KVM_RUN.
#pragma once

#include <cstdint>
#include <optional>

#include "host-notifier/vmm/kvm_calls.h"

namespace seaward::vmm {

namespace register_id {

// Linux Documentation/virt/kvm/api.rst, KVM_SET_ONE_REG: arm64, 64 bits wide, core registers by
// their word in struct kvm_regs, system registers by their encoding.
constexpr std::uint64_t kArm64U64 = 0x6030000000000000;
constexpr std::uint64_t Core(std::uint64_t byte_offset) {
  return kArm64U64 | std::uint64_t{0x10} << 16 | byte_offset / 4;
}
constexpr std::uint64_t System(std::uint64_t op0, std::uint64_t op1, std::uint64_t crn,
                               std::uint64_t crm, std::uint64_t op2) {
  return kArm64U64 | std::uint64_t{0x13} << 16 | op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2;
}

}  // namespace register_id

enum class RegisterId : std::uint64_t {
  // struct kvm_regs: 31 general registers, sp, pc, pstate, sp_el1, elr_el1, spsr[5].
  kPc = register_id::Core(256),
  kPstate = register_id::Core(264),
  kElrEl1 = register_id::Core(280),
  kSpsrEl1 = register_id::Core(288),
  kEsrEl1 = register_id::System(3, 0, 5, 2, 0),
  kFarEl1 = register_id::System(3, 0, 6, 0, 0),
  kVbarEl1 = register_id::System(3, 0, 12, 0, 0),
  kSctlrEl1 = register_id::System(3, 0, 1, 0, 0),
  kSctlr2El1 = register_id::System(3, 0, 1, 0, 3),
  kTtbr0El1 = register_id::System(3, 0, 2, 0, 0),
  kTtbr1El1 = register_id::System(3, 0, 2, 0, 1),
  kTcrEl1 = register_id::System(3, 0, 2, 0, 2),
  kTcr2El1 = register_id::System(3, 0, 2, 0, 3),
  kIdAa64Mmfr0El1 = register_id::System(3, 0, 0, 7, 0),
  kIdAa64Pfr1El1 = register_id::System(3, 0, 0, 4, 1),
  kHcrEl2 = register_id::System(3, 4, 1, 1, 0),
};

class VcpuRegisters {
 public:
  VcpuRegisters(KvmCalls& calls, int vcpu_fd) : calls_(calls), fd_(vcpu_fd) {}

  // nullopt when this vCPU has no such register. Both change errno.
  std::optional<std::uint64_t> Get(RegisterId id) const noexcept;
  bool Set(RegisterId id, std::uint64_t value) const noexcept;

 private:
  KvmCalls& calls_;
  const int fd_;
};

}  // namespace seaward::vmm
