#include "host-notifier/vmm/exact_injection.h"

namespace seaward::vmm {
std::optional<ExactEntry> PlanExactEntry(const VcpuRegisters& vcpu, VcpuKind kind,
                                         const SeaExit& exit) noexcept {
  const auto pc = vcpu.Get(RegisterId::kPc);
  const auto pstate = vcpu.Get(RegisterId::kPstate);
  const auto vbar = vcpu.Get(RegisterId::kVbarEl1);
  const auto sctlr = vcpu.Get(RegisterId::kSctlrEl1);
  const auto features = vcpu.Get(RegisterId::kIdAa64Pfr1El1);
  if (!pc || !pstate || !vbar || !sctlr || !features) return std::nullopt;
  if (!IsUnderAArch64El1(vcpu, kind, *pstate)) return std::nullopt;
  ExactEntry entry;
  // Without SCTLR2_EL1 (a kernel or CPU before FEAT_SCTLR2) its effective value is 0.
  entry.before = {.pc = *pc,
                  .pstate = *pstate,
                  .vbar_el1 = *vbar,
                  .sctlr_el1 = *sctlr,
                  .sctlr2_el1 = vcpu.Get(RegisterId::kSctlr2El1).value_or(0),
                  .id_aa64pfr1_el1 = *features};
  const auto after = TakeAbortToEl1(entry.before, exit.esr, exit.gva);
  if (!after) return std::nullopt;
  entry.after = *after;
  return entry;
}

bool WriteExactEntry(const VcpuRegisters& vcpu, const ExactEntry& entry) noexcept {
  const CpuAfterEntry& after = entry.after;
  // The registers that any other injection overwrites as well come first.
  const bool reported = vcpu.Set(RegisterId::kEsrEl1, after.esr_el1) &&
                        (!after.far_el1 || vcpu.Set(RegisterId::kFarEl1, *after.far_el1)) &&
                        vcpu.Set(RegisterId::kElrEl1, after.elr_el1) &&
                        vcpu.Set(RegisterId::kSpsrEl1, after.spsr_el1);
  if (!reported || !vcpu.Set(RegisterId::kPc, after.pc)) return false;
  if (vcpu.Set(RegisterId::kPstate, after.pstate)) return true;
  // KVM took this register's neighbour just now: it takes the old value back.
  static_cast<void>(vcpu.Set(RegisterId::kPc, entry.before.pc));
  return false;
}

}  // namespace seaward::vmm
