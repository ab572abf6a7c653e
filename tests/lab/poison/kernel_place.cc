#include "tests/lab/poison/kernel_place.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace seaward::lab {
namespace {

constexpr std::array<std::string_view, 7> kNeeded = {"_text",
                                                     "_stext",
                                                     "_etext",
                                                     "__init_begin",
                                                     "high_memory",
                                                     "kvm_hyp_handle_dabt_low",
                                                     "kvm_hyp_handle_memory_fault"};
// Present exactly in kernels that know KVM_CAP_ARM_SEA_TO_USER.
constexpr std::string_view kSeaHandler = "kvm_handle_guest_sea";

template <class Visit>
void ForEachLine(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    visit(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

bool ParseHex(std::string_view text, std::uint64_t& value) {
  return std::from_chars(text.data(), text.data() + text.size(), value, 16).ec == std::errc{};
}

}  // namespace

Result<KernelPlace> KernelPlace::Parse(std::string_view kallsyms, std::string_view iomem) {
  KernelPlace place;
  bool knows_sea = false;
  ForEachLine(kallsyms, [&](std::string_view line) {
    // "ffff80008008b368 t name" and, for modules, "\t[module]"
    const auto first = line.find(' ');
    if (first == std::string_view::npos || line.size() < first + 4) return;
    const auto name = line.substr(first + 3, line.find_first_of("\t \r", first + 3) - first - 3);
    knows_sea = knows_sea || name == kSeaHandler;
    std::uint64_t address = 0;
    const bool wanted = name == kHugeMappingQuestion ||
                        std::find(kNeeded.begin(), kNeeded.end(), name) != kNeeded.end();
    if (wanted && ParseHex(line.substr(0, first), address) && address != 0)
      place.symbols_.try_emplace(std::string(name), KernelVirtAddr{address});
  });
  for (std::string_view needed : kNeeded)
    if (!place.symbols_.contains(needed))
      return Fail(ErrorCode::kUnsupported, "kallsyms has no address of " + std::string(needed));
  if (!knows_sea)
    return Fail(ErrorCode::kUnsupported,
                "no capability: this kernel has no " + std::string(kSeaHandler));
  // "  40200000-4226ffff : Kernel code"; it has begun with _text or _stext, by version.
  HostPhysAddr start;
  ForEachLine(iomem, [&](std::string_view line) {
    const auto dash = line.find('-');
    const auto first = line.find_first_not_of(' ');
    if (line.find(": Kernel code") == std::string_view::npos || dash == std::string_view::npos)
      return;
    ParseHex(line.substr(first, dash - first), start.value);
    if (ParseHex(line.substr(dash + 1, line.find(' ', dash) - dash - 1), place.code_end_.value))
      ++place.code_end_.value;
  });
  if (start.value == 0)
    return Fail(ErrorCode::kUnsupported, "iomem shows no \"Kernel code\" address (not root?)");
  if (start != place.Physical(place.symbols_.at("_text")) &&
      start != place.Physical(place.symbols_.at("_stext")))
    return Fail(ErrorCode::kUnsupported, "iomem and kallsyms disagree about the kernel's code");
  return place;
}

}  // namespace seaward::lab
