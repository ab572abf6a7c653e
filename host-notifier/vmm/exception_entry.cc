#include "host-notifier/vmm/exception_entry.h"

#include "host-notifier/vmm/syndrome.h"

namespace seaward::vmm {
namespace {

constexpr std::uint64_t Bit(unsigned n) {
  return std::uint64_t{1} << n;
}

// SPSR_EL1. All bits of PSTATE that are not named here are 0 after an entry: IL, SS, UAO and BTYPE
// by AArch64.TakeException, Q, GE, IT, E and T because AArch64 has none.
constexpr std::uint64_t kConditionFlags = std::uint64_t{0xf} << 28;
constexpr std::uint64_t kTco = Bit(25);
constexpr std::uint64_t kDit = Bit(24);
constexpr std::uint64_t kPan = Bit(22);
constexpr std::uint64_t kSsbs = Bit(12);
constexpr std::uint64_t kDaif = std::uint64_t{0xf} << 6;
constexpr std::uint64_t kModeMask = 0x1f;
constexpr std::uint64_t kModeEl0 = 0b00000;
constexpr std::uint64_t kModeEl1t = 0b00100;
constexpr std::uint64_t kModeEl1h = 0b00101;
constexpr std::uint64_t kModeUser32 = 0b10000;

constexpr std::uint64_t kSctlrSpan = Bit(23);
constexpr std::uint64_t kSctlrDssbs = Bit(44);
constexpr std::uint64_t kSctlr2Ease = Bit(5);
constexpr std::uint64_t kVbarMask = ~std::uint64_t{0x7ff};

// ID_AA64PFR1_EL1. An entry sets PSTATE.ALLINT with FEAT_NMI and PSTATE.EXLOCK with FEAT_GCS: KVM
// gives its guests neither, so there is nothing to check such an emulation against.
constexpr std::uint64_t kPfr1Mte = std::uint64_t{0xf} << 8;
constexpr std::uint64_t kPfr1Unknown = std::uint64_t{0xf} << 36 | std::uint64_t{0xf} << 44;

// AArch64.TakeException's vect_offset, without the one of the exception's kind.
std::optional<std::uint64_t> OffsetFrom(std::uint64_t mode) {
  switch (mode) {
    case kModeEl1t:
      return 0x000;
    case kModeEl1h:
      return 0x200;
    case kModeEl0:
      return 0x400;
    case kModeUser32:
      return 0x600;
    default:
      return std::nullopt;
  }
}

// The exit always carries the class of a lower EL, because it went to EL2. The guest sees the class
// by its own EL. S1PTW, ISV and what else describes stage 2 is no business of EL1.
std::uint64_t GuestSyndrome(std::uint64_t esr, bool from_el0) {
  using namespace syndrome;
  const bool fetch = IsInstructionAbort(esr);
  const std::uint64_t low = fetch ? kInstructionAbortLowerEl : kDataAbortLowerEl;
  const std::uint64_t same = fetch ? kInstructionAbortSameEl : kDataAbortSameEl;
  std::uint64_t kept = kFaultStatusMask | kExternalAbortType | kFarNotValid | kErrorTypeMask;
  if (!fetch) kept |= kWriteNotRead | kCacheMaintenance;
  // IL is 1 for every instruction abort and for every data abort without ISV.
  return (from_el0 ? low : same) << kClassShift | kInstructionLength | (esr & kept);
}

std::uint64_t PstateAfter(const CpuBeforeEntry& before) {
  std::uint64_t pstate = (before.pstate & (kConditionFlags | kDit | kPan)) | kDaif | kModeEl1h;
  if ((before.sctlr_el1 & kSctlrSpan) == 0) pstate |= kPan;  // RES1 without FEAT_PAN
  if ((before.sctlr_el1 & kSctlrDssbs) != 0) pstate |= kSsbs;
  if ((before.id_aa64pfr1_el1 & kPfr1Mte) != 0) pstate |= kTco;
  return pstate;
}

}  // namespace

std::optional<CpuAfterEntry> TakeAbortToEl1(const CpuBeforeEntry& before, std::uint64_t esr,
                                            GuestVirtAddr far) {
  const std::uint64_t mode = before.pstate & kModeMask;
  const auto offset = OffsetFrom(mode);
  if (!offset || !syndrome::IsSynchronousError(esr)) return std::nullopt;
  if ((before.id_aa64pfr1_el1 & kPfr1Unknown) != 0) return std::nullopt;
  CpuAfterEntry after;
  // FEAT_DoubleFault2: external aborts go to the SError vector (AArch64.RouteToSErrorOffset).
  const std::uint64_t kind = (before.sctlr2_el1 & kSctlr2Ease) != 0 ? 0x180 : 0;
  after.pc = (before.vbar_el1 & kVbarMask) + *offset + kind;
  after.pstate = PstateAfter(before);
  after.esr_el1 = GuestSyndrome(esr, mode == kModeEl0 || mode == kModeUser32);
  if (syndrome::IsFaultAddressValid(esr)) after.far_el1 = far.value;
  after.elr_el1 = before.pc;
  after.spsr_el1 = before.pstate;
  after.handler_is_bad =
      syndrome::IsInstructionAbort(esr) && before.pc / kPoisonGranule == after.pc / kPoisonGranule;
  return after;
}

}  // namespace seaward::vmm
