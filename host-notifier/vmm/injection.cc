#include "host-notifier/vmm/injection.h"

namespace seaward::vmm {
namespace {

// ESR_EL2 as the exit carries it; Arm ARM, "ISS encoding for an exception from a Data Abort".
constexpr std::uint64_t kFaultStatusMask = 0x3f;
constexpr std::uint64_t kSynchronousExternalAbort = 0x10;
constexpr std::uint64_t kWriteNotRead = 1 << 6;
constexpr std::uint64_t kCacheMaintenance = 1 << 8;
constexpr std::uint64_t kExternalAbortType = 1 << 9;
constexpr std::uint64_t kFarNotValid = 1 << 10;
constexpr std::uint64_t kErrorTypeMask = 3 << 11;  // SET
constexpr unsigned kClassShift = 26;
constexpr std::uint64_t kDataAbortLowerEl = 0x24;
constexpr std::uint64_t kDataAbortSameEl = 0x25;

}  // namespace

bool KvmInjectsExactly(std::uint64_t esr) {
  const std::uint64_t exception_class = (esr >> kClassShift) & 0x3f;
  const bool data = exception_class == kDataAbortLowerEl || exception_class == kDataAbortSameEl;
  constexpr std::uint64_t dropped =
      kWriteNotRead | kCacheMaintenance | kExternalAbortType | kFarNotValid | kErrorTypeMask;
  return data && (esr & kFaultStatusMask) == kSynchronousExternalAbort && (esr & dropped) == 0;
}

Injection DecideInjection(InjectMode mode, std::uint64_t esr) {
  switch (mode) {
    case InjectMode::kAuto:
    case InjectMode::kKvm:
      return KvmInjectsExactly(esr) ? Injection::kKvm : Injection::kKvmInexact;
    case InjectMode::kNone:
      return Injection::kVmm;
  }
  return Injection::kVmm;
}

}  // namespace seaward::vmm
