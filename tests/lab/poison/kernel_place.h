// Where a running arm64 kernel's functions lie: addresses from its own /proc/kallsyms, their place
// in physical memory from its own /proc/iomem. Pure text in, numbers out.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace seaward::lab {

// A virtual address of the emulated host's kernel.
struct KernelVirtAddr {
  std::uint64_t value = 0;
  auto operator<=>(const KernelVirtAddr&) const = default;
};
// A physical address of the emulated host: also the guest physical address of its own RAM.
struct HostPhysAddr {
  std::uint64_t value = 0;
  auto operator<=>(const HostPhysAddr&) const = default;
};

class KernelPlace {
 public:
  // kUnsupported when `kallsyms` lacks a symbol that the method needs, or shows only zeros (not
  // root); "no capability" when the kernel cannot hand external aborts to user space at all.
  static Result<KernelPlace> Parse(std::string_view kallsyms, std::string_view iomem);

  // What the world switch (VHE) calls for a guest's data aborts and instruction aborts.
  std::array<HostPhysAddr, 2> abort_handlers() const {
    return {Physical(symbols_.at("kvm_hyp_handle_dabt_low")),
            Physical(symbols_.at("kvm_hyp_handle_memory_fault"))};
  }
  // KVM's question whether a fault may be answered with a huge mapping; nullopt where the compiler
  // left no function of it.
  std::optional<HostPhysAddr> huge_mapping_question() const {
    const auto at = symbols_.find(kHugeMappingQuestion);
    if (at == symbols_.end()) return std::nullopt;
    return Physical(at->second);
  }
  // The variable that holds where the kernel sees the end of RAM.
  HostPhysAddr high_memory() const { return Physical(symbols_.at("high_memory")); }
  HostPhysAddr end_of_text() const { return Physical(symbols_.at("_etext")); }
  // Where the kernel itself sees a place of its image.
  KernelVirtAddr Virtual(HostPhysAddr a) const {
    return {a.value - code_end_.value + symbols_.at("__init_begin").value};
  }

 private:
  static constexpr std::string_view kHugeMappingQuestion = "fault_supports_stage2_huge_mapping";
  HostPhysAddr Physical(KernelVirtAddr a) const {
    return {a.value - symbols_.at("__init_begin").value + code_end_.value};
  }
  std::map<std::string, KernelVirtAddr, std::less<>> symbols_;
  HostPhysAddr code_end_;  // of iomem's "Kernel code", exclusive: __init_begin
};

}  // namespace seaward::lab
