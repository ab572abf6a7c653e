#include "host-notifier/vmm/table_location.h"

#include <array>
#include <bit>
#include <cstddef>

#include "host-notifier/vmm/stage1_walk.h"
#include "host-notifier/vmm/syndrome.h"

namespace seaward::vmm {
namespace {

class MemslotTables final : public GuestTables {
 public:
  MemslotTables(KvmCalls& calls, const MemslotMap& memory) : calls_(calls), memory_(memory) {}

  std::optional<std::uint64_t> Read(GuestPhysAddr address) noexcept override {
    const auto hva = memory_.Find(address);
    std::array<std::byte, 8> bytes;
    if (!hva || !calls_.ReadMemory(*hva, bytes)) return std::nullopt;
    // KVM runs guests on hosts of the same byte order that these tables default to: little-endian.
    static_assert(std::endian::native == std::endian::little);
    return std::bit_cast<std::uint64_t>(bytes);
  }

 private:
  KvmCalls& calls_;
  const MemslotMap& memory_;
};

std::optional<TranslationRegisters> ReadTranslation(const VcpuRegisters& vcpu, VcpuKind kind) {
  const auto pstate = vcpu.Get(RegisterId::kPstate);
  if (!pstate || !IsUnderAArch64El1(vcpu, kind, *pstate)) return std::nullopt;
  const auto ttbr0 = vcpu.Get(RegisterId::kTtbr0El1);
  const auto ttbr1 = vcpu.Get(RegisterId::kTtbr1El1);
  const auto tcr = vcpu.Get(RegisterId::kTcrEl1);
  const auto sctlr = vcpu.Get(RegisterId::kSctlrEl1);
  const auto mmfr0 = vcpu.Get(RegisterId::kIdAa64Mmfr0El1);
  if (!ttbr0 || !ttbr1 || !tcr || !sctlr || !mmfr0) return std::nullopt;
  return TranslationRegisters{.ttbr0_el1 = *ttbr0,
                              .ttbr1_el1 = *ttbr1,
                              .tcr_el1 = *tcr,
                              .tcr2_el1 = vcpu.Get(RegisterId::kTcr2El1).value_or(0),
                              .sctlr_el1 = *sctlr,
                              .id_aa64mmfr0_el1 = *mmfr0};
}

}  // namespace

std::optional<LocatedTable> LocateTable(KvmCalls& calls, int vcpu_fd, VcpuKind kind,
                                        const MemslotMap& memory, const SeaExit& exit) noexcept {
  const auto level = syndrome::FailedWalkLevel(exit.esr);
  if (!level || !syndrome::IsFaultAddressValid(exit.esr) || (exit.flags & kSeaFlagGpaValid) != 0 ||
      !syndrome::IsSynchronousError(exit.esr))
    return std::nullopt;
  const auto registers = ReadTranslation(VcpuRegisters(calls, vcpu_fd), kind);
  if (!registers) return std::nullopt;
  const FailedWalk walk{
      .address = exit.gva, .level = *level, .instruction = syndrome::IsInstructionAbort(exit.esr)};
  MemslotTables tables(calls, memory);
  const auto descriptor = FindUnreadDescriptor(*registers, walk, tables);
  if (!descriptor) return std::nullopt;
  const GuestPhysAddr page{descriptor->value & ~(kPoisonGranule - 1)};
  // A place that is no memory of this VM cannot be bad memory of this VM.
  const auto hva = memory.Find(page);
  if (!hva) return std::nullopt;
  return LocatedTable{page, *hva};
}

}  // namespace seaward::vmm
