#include "host-notifier/vmm/vcpu_registers.h"

#include "host-notifier/vmm/kvm_abi.h"

namespace seaward::vmm {
namespace {

kvm_one_reg Request(RegisterId id, std::uint64_t& value) {
  return {.id = static_cast<std::uint64_t>(id), .addr = reinterpret_cast<std::uintptr_t>(&value)};
}

}  // namespace

std::optional<std::uint64_t> VcpuRegisters::Get(RegisterId id) const noexcept {
  std::uint64_t value = 0;
  kvm_one_reg request = Request(id, value);
  if (calls_.Ioctl(fd_, kvm::kGetOneReg, &request) != 0) return std::nullopt;
  return value;
}

bool VcpuRegisters::Set(RegisterId id, std::uint64_t value) const noexcept {
  kvm_one_reg request = Request(id, value);
  return calls_.Ioctl(fd_, kvm::kSetOneReg, &request) == 0;
}

}  // namespace seaward::vmm
