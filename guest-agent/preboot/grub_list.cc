#include "guest-agent/preboot/grub_list.h"

#include <fmt/format.h>

namespace seaward::agent {
namespace {

// One page. With bit 63 set as well GRUB's search for the next match never ends.
constexpr std::string_view kPageMask = "0x7ffffffffffff000";

std::string Pairs(const StoredList& list, GrubList& result) {
  std::string pairs;
  for (const nextboot::ListedRange& range : list.ranges) {
    // badram writes over what the firmware keeps there.
    if ((range.flags & nextboot::kPerhapsFirmware) != 0) {
      result.left_out += range.pages;
      continue;
    }
    for (std::uint32_t page = 0; page < range.pages; ++page) {
      if (result.pages == kGrubMaxPages) {
        result.left_out += range.pages - page;
        break;
      }
      pairs += fmt::format("{}{:#x},{}", pairs.empty() ? "" : ",",
                           range.first + page * nextboot::kPageBytes, kPageMask);
      ++result.pages;
    }
  }
  return pairs;
}

}  // namespace

GrubList RenderGrubList(const StoredList& list) {
  GrubList result;
  const std::string pairs = Pairs(list, result);
  result.text = "# Pages of this machine that are bad memory. Written by seaward-agent.\n";
  if (pairs.empty()) return result;
  // A copied image boots elsewhere with the list inside: it holds on its own machine alone.
  result.text += fmt::format(
      "set seaward_machine=none\n"
      "smbios --type 1 --get-uuid 8 --set seaward_machine\n"
      "if [ \"$seaward_machine\" = \"{}\" ]; then\n"
      "  badram {}\n"
      "fi\n",
      FormatUuid(list.machine), pairs);
  return result;
}

std::string GrubScript() {
  return "#!/bin/sh\n"
         "# Written by seaward-agent install-boot, removed by uninstall-boot.\n"
         "cat <<'END'\n"
         "insmod mmap\n"
         "insmod smbios\n"
         "if search --no-floppy --file /EFI/seaward/badram.cfg --set seaward_esp; then\n"
         "  source ($seaward_esp)/EFI/seaward/badram.cfg\n"
         "fi\n"
         "END\n";
}

}  // namespace seaward::agent
