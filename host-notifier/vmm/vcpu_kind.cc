#include "host-notifier/vmm/vcpu_kind.h"

namespace seaward::vmm {

VcpuKind KindOf(const kvm::ArmVcpuInit& init) {
  const auto has = [&](unsigned feature) { return (init.features[0] >> feature & 1) != 0; };
  if (has(kvm::kFeatureEl1Is32Bit)) return VcpuKind::kAArch32El1;
  return has(kvm::kFeatureHasEl2) ? VcpuKind::kNested : VcpuKind::kAArch64;
}

bool IsUnderAArch64El1(const VcpuRegisters& vcpu, VcpuKind kind, std::uint64_t pstate) noexcept {
  constexpr std::uint64_t kAArch32Bit = 1 << 4;  // PSTATE.M[4]
  switch (kind) {
    case VcpuKind::kAArch64:
      return true;
    case VcpuKind::kAArch32El1:
    case VcpuKind::kNested:
      return false;
    case VcpuKind::kUnknown:
      // Under User mode either kind of EL1 may be; and KVM shows EL2's registers to guests with an
      // EL2 only.
      return (pstate & kAArch32Bit) == 0 && !vcpu.Get(RegisterId::kHcrEl2);
  }
  return false;
}

}  // namespace seaward::vmm
