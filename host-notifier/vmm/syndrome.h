// ESR_EL2 as KVM_EXIT_ARM_SEA carries it, and ESR_EL1 as a guest reads it: Arm ARM, ESR_ELx, ISS
// encodings for an exception from a Data Abort and from an Instruction Abort. Pure.
#pragma once

#include <cstdint>
#include <optional>

namespace seaward::vmm::syndrome {

inline constexpr std::uint64_t kFaultStatusMask = 0x3f;  // DFSC, IFSC
inline constexpr std::uint64_t kWriteNotRead = 1 << 6;
inline constexpr std::uint64_t kCacheMaintenance = 1 << 8;
inline constexpr std::uint64_t kExternalAbortType = 1 << 9;
inline constexpr std::uint64_t kFarNotValid = 1 << 10;
inline constexpr std::uint64_t kErrorTypeMask = 3 << 11;  // SET
inline constexpr std::uint64_t kInstructionLength = 1 << 25;

inline constexpr unsigned kClassShift = 26;
inline constexpr std::uint64_t kInstructionAbortLowerEl = 0x20;
inline constexpr std::uint64_t kInstructionAbortSameEl = 0x21;
inline constexpr std::uint64_t kDataAbortLowerEl = 0x24;
inline constexpr std::uint64_t kDataAbortSameEl = 0x25;

inline constexpr std::uint64_t kExternalAbort = 0x10;
inline constexpr std::uint64_t kParityError = 0x18;
// On the table walk, level n: these plus n; level -1 (52-bit addresses, LPA2) is one below.
inline constexpr std::uint64_t kExternalAbortOnWalkLevel0 = 0x14;
inline constexpr std::uint64_t kParityErrorOnWalkLevel0 = 0x1c;

constexpr std::uint64_t ClassOf(std::uint64_t esr) {
  return esr >> kClassShift & 0x3f;
}
constexpr bool IsDataAbort(std::uint64_t esr) {
  return ClassOf(esr) == kDataAbortLowerEl || ClassOf(esr) == kDataAbortSameEl;
}
constexpr bool IsInstructionAbort(std::uint64_t esr) {
  return ClassOf(esr) == kInstructionAbortLowerEl || ClassOf(esr) == kInstructionAbortSameEl;
}
constexpr bool IsFaultAddressValid(std::uint64_t esr) {
  return (esr & kFarNotValid) == 0;
}

// The level (-1 to 3) of the descriptor that the walk could not read; nothing for other aborts.
constexpr std::optional<int> FailedWalkLevel(std::uint64_t esr) {
  const std::uint64_t status = esr & kFaultStatusMask;
  for (const std::uint64_t level0 : {kExternalAbortOnWalkLevel0, kParityErrorOnWalkLevel0})
    if (status + 1 >= level0 && status <= level0 + 3)
      return static_cast<int>(status) - static_cast<int>(level0);
  return std::nullopt;
}

// What a memory error can raise: the pseudocode's IsExternalAbort, its synchronous half.
constexpr bool IsSynchronousError(std::uint64_t esr) {
  const std::uint64_t status = esr & kFaultStatusMask;
  return (IsDataAbort(esr) || IsInstructionAbort(esr)) &&
         (status == kExternalAbort || status == kParityError || FailedWalkLevel(esr));
}

}  // namespace seaward::vmm::syndrome
