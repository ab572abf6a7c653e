#include "host-notifier/vmm/injection.h"

#include "host-notifier/vmm/syndrome.h"

namespace seaward::vmm {

bool KvmInjectsExactly(std::uint64_t esr) {
  using namespace syndrome;
  constexpr std::uint64_t dropped =
      kWriteNotRead | kCacheMaintenance | kExternalAbortType | kFarNotValid | kErrorTypeMask;
  return IsDataAbort(esr) && (esr & kFaultStatusMask) == kExternalAbort && (esr & dropped) == 0;
}

bool HostMaySettle(InjectMode mode, const SeaExit& exit) {
  using namespace syndrome;
  constexpr std::uint64_t uncontainable = 2 << 11;
  if (mode != InjectMode::kAuto && mode != InjectMode::kNative) return false;
  return (exit.flags & kSeaFlagGpaValid) != 0 && exit.hva.value != 0 &&
         (exit.esr & kErrorTypeMask) != uncontainable;
}

bool WantsExactEntry(InjectMode mode, std::uint64_t esr) {
  switch (mode) {
    case InjectMode::kAuto:
    case InjectMode::kNative:
      return !KvmInjectsExactly(esr);
    case InjectMode::kExact:
      return true;
    case InjectMode::kKvm:
    case InjectMode::kNone:
      return false;
  }
  return false;
}

Injection DecideInjection(InjectMode mode, std::uint64_t esr, bool exact_possible) {
  if (mode == InjectMode::kNone) return Injection::kVmm;
  if (exact_possible && WantsExactEntry(mode, esr)) return Injection::kExact;
  return KvmInjectsExactly(esr) ? Injection::kKvm : Injection::kKvmInexact;
}

}  // namespace seaward::vmm
