#include "tests/lab/poison/poisoner.h"

#include <fmt/format.h>

namespace seaward::lab {
namespace {

// Where the kernel sees the end of RAM in its linear map: all of RAM lies below it, without a gap.
Result<KernelVirtAddr> LinearEnd(const MachineRam& ram, const KernelPlace& place) {
  constexpr std::uint64_t kKernelHalf = 0xfff0000000000000;
  constexpr std::uint64_t kMegabyte = 1 << 20;
  auto value = ram.Load(place.high_memory());
  if (!value) return Forward(value);
  if ((*value & kKernelHalf) != kKernelHalf || (*value - ram.end().value) % kMegabyte != 0)
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("the kernel's linear map is not as expected: high_memory is {:#x}", *value));
  return KernelVirtAddr{*value};
}

}  // namespace

Result<Poisoner> Poisoner::Install(std::string gdb_socket, MachineRam ram, const KernelPlace& place,
                                   const VcpuLayout& layout) {
  auto end = LinearEnd(ram, place);
  if (!end) return Forward(end);
  auto patch = KernelPatch::Install(std::move(gdb_socket), place, layout);
  if (!patch) return Forward(patch);
  BadPages pages(std::move(ram), patch->list(), *end);
  return Poisoner(std::move(*patch), std::move(pages));
}

Result<RestoreReport> Poisoner::Restore() {
  auto report = pages_.Restore();
  if (!report) return report;
  if (auto removed = patch_.Remove(); !removed) return Forward(removed);
  return report;
}

}  // namespace seaward::lab
