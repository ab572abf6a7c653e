// Which of the journal's pages the next kernel shall not be given at all. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "guest-agent/journal/journal_format.h"
#include "guest-agent/nextboot/boot_list.h"
#include "guest-agent/nextboot/boot_report.h"
#include "guest-agent/preboot/memory_map.h"

namespace seaward::agent {

struct PlanLimits {
  std::size_t max_ranges = nextboot::kMaxRanges;
  // Of memory in one piece: the next kernel's image is loaded there.
  std::uint64_t kernel_room = std::uint64_t{64} << 20;
};

// Why a range is left to the early stage.
enum class PlanRefusal {
  kNotRam,      // this kernel knows no memory there
  kFirmware,    // the firmware's own: it cannot be taken from it
  kKernelRoom,  // no piece of memory would be large enough for the kernel
  kTooMany,     // others are preferred
};
std::string_view ToString(PlanRefusal refusal);

struct PlanKnowledge {
  const PrebootMap& map;
  // What the driver did before this boot, and what the last list held: a listed page that worked
  // looks like the firmware's own now. Both may be missing.
  const nextboot::BootReport* report = nullptr;
  const std::vector<nextboot::ListedRange>* last_list = nullptr;
};

struct BootPlan {
  struct Refused {
    ByteRange range = ByteRange::Granule({});
    PlanRefusal why = PlanRefusal::kNotRam;
    bool operator==(const Refused&) const = default;
  };
  std::vector<nextboot::ListedRange> ranges;  // as WriteBootList demands them
  std::vector<Refused> refused;
};

// Neighbours are merged. Where not all can be listed, those come first that the running kernel
// could not give up, since nothing but the list helps there; then those that were kept from it,
// then the longer ones, then the lower ones.
BootPlan PlanBootList(const std::vector<JournalEntry>& entries, const PlanKnowledge& knowledge,
                      const PlanLimits& limits);

}  // namespace seaward::agent
