// Where the descriptor lies that a vCPU's table walk could not read. Pure; the guest's tables are
// read through an interface.
//
// The walk goes from TTBR to the table that the failed level reads and stops there: it never loads
// the failed level's descriptor, because that load would consume the poison again, here. The
// descriptors above it are the ones that the CPU has just read without an error, as far as anybody
// knows: it may have had them cached. What is found is therefore a suspicion; and since KVM hides
// S1PTW, the bad word may as well lie in a table of the host's stage 2.
//
// Source: the Arm ARM's shared pseudocode, AArch64.S1Walk, AArch64.S1TTBaseAddress and what they
// use, for the EL1&0 regime.
#pragma once

#include <cstdint>
#include <optional>

#include "base/units.h"

namespace seaward::vmm {

struct TranslationRegisters {
  std::uint64_t ttbr0_el1 = 0;
  std::uint64_t ttbr1_el1 = 0;
  std::uint64_t tcr_el1 = 0;
  std::uint64_t tcr2_el1 = 0;  // 0 where the vCPU has none
  std::uint64_t sctlr_el1 = 0;
  std::uint64_t id_aa64mmfr0_el1 = 0;
};

struct FailedWalk {
  GuestVirtAddr address;
  int level = 0;  // -1 to 3
  bool instruction = false;
};

class GuestTables {
 public:
  virtual ~GuestTables() = default;
  // The aligned word there, as little-endian memory has it; nullopt when it cannot be had. Called
  // four times for one walk at most.
  virtual std::optional<std::uint64_t> Read(GuestPhysAddr address) noexcept = 0;
};

// nullopt: translation is off, the address is outside of both ranges, the walk is disabled or does
// not reach the level, an entry above is no table or cannot be read, or the guest uses a format
// that is not known here (128-bit descriptors).
std::optional<GuestPhysAddr> FindUnreadDescriptor(const TranslationRegisters& registers,
                                                  const FailedWalk& walk,
                                                  GuestTables& tables) noexcept;

}  // namespace seaward::vmm
