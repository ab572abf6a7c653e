#include "guest-agent/preboot/list_planner.h"

#include <algorithm>
#include <limits>

namespace seaward::agent {
namespace {

using nextboot::BootReport;
using nextboot::ListedRange;
using nextboot::PageFate;
using protocol::Outcome;

// Lower: more in need of the list.
enum class Need { kOnlyTheList, kKeptAway, kEarlyStageHelps };

struct Candidate {
  ByteRange range;
  Need need;
  bool perhaps_firmware;
};

Need NeedOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kInKernel:
    case Outcome::kBudgetExceeded:
    case Outcome::kFailed:
      return Need::kOnlyTheList;
    case Outcome::kExcludedBeforeBoot:
      return Need::kKeptAway;
    case Outcome::kRetired:
    case Outcome::kAlreadyRetired:
    case Outcome::kNotRam:
    case Outcome::kDeferred:
      return Need::kEarlyStageHelps;
  }
  return Need::kEarlyStageHelps;
}

// The driver's word on all of `range`; nothing when it was not asked about it.
std::optional<PageFate> ReportedFate(const BootReport* report, const ByteRange& range) {
  if (report == nullptr) return std::nullopt;
  for (std::uint32_t i = 0; i < report->run_count; ++i) {
    const nextboot::FateRun& run = report->runs[i];
    if (run.first <= range.start().value && range.last() < run.end()) return run.fate;
  }
  return std::nullopt;
}

bool Reported(const BootReport* report, const ByteRange& range) {
  if (report == nullptr) return false;
  return std::any_of(report->runs, report->runs + report->run_count,
                     [&range](const nextboot::FateRun& run) {
                       return run.first <= range.last() && range.start().value < run.end();
                     });
}

bool Listed(const std::vector<ListedRange>* list, const ByteRange& range) {
  return list != nullptr && std::any_of(list->begin(), list->end(), [&](const ListedRange& had) {
           return had.first <= range.start().value && range.last() < had.end();
         });
}

std::optional<PlanRefusal> Unfit(const ByteRange& range, const PlanKnowledge& known) {
  const auto fate = ReportedFate(known.report, range);
  if (fate == PageFate::kFirmware) return PlanRefusal::kFirmware;
  if (fate == PageFate::kProtected || fate == PageFate::kAlreadyUnusable) return std::nullopt;
  const auto role = known.map.RoleOf(range);
  if (role == MemoryRole::kSystemRam) return std::nullopt;
  // Kept from this kernel, and not by the driver as far as it says: by GRUB for the last list.
  if (role == MemoryRole::kWithheld && Listed(known.last_list, range)) return std::nullopt;
  return role == MemoryRole::kNotRam ? PlanRefusal::kNotRam : PlanRefusal::kFirmware;
}

// A range whose parts differ is judged page by page.
void Judge(const JournalEntry& entry, const PlanKnowledge& known, BootPlan& plan,
           std::vector<Candidate>& fit) {
  const auto take = [&](const ByteRange& part) {
    if (const auto why = Unfit(part, known)) {
      plan.refused.push_back({part, *why});
    } else {
      fit.push_back({part, NeedOf(entry.outcome), known.map.Reserved(part)});
    }
  };
  const ByteRange whole = entry.range.AlignedTo(nextboot::kPageBytes);
  const bool of_one_kind = ReportedFate(known.report, whole).has_value() ||
                           (known.map.RoleOf(whole).has_value() && !Reported(known.report, whole));
  if (of_one_kind) return take(whole);
  for (std::uint64_t at = whole.start().value; at <= whole.last(); at += nextboot::kPageBytes)
    take(ByteRange::Granule(GuestPhysAddr{at}));
}

std::vector<Candidate> Merged(std::vector<Candidate> parts) {
  std::sort(parts.begin(), parts.end(), [](const Candidate& a, const Candidate& b) {
    return a.range.start() < b.range.start();
  });
  std::vector<Candidate> merged;
  for (const Candidate& part : parts) {
    const bool joins = !merged.empty() && part.range.start().value <= merged.back().range.end();
    if (!joins) {
      merged.push_back(part);
      continue;
    }
    Candidate& run = merged.back();
    const std::uint64_t last = std::max(run.range.last(), part.range.last());
    run.range = ByteRange::Make(run.range.start(), last - run.range.start().value + 1).value();
    run.need = std::min(run.need, part.need);
    run.perhaps_firmware = run.perhaps_firmware || part.perhaps_firmware;
  }
  return merged;
}

// Whether memory in one piece of `room` bytes is left between the chosen ranges (ascending).
bool RoomLeft(const PrebootMap& map, const std::vector<ByteRange>& chosen, std::uint64_t room) {
  for (const ByteRange& ram : map.ram()) {
    std::uint64_t free_from = ram.start().value;
    for (const ByteRange& taken : chosen) {
      if (!taken.Overlaps(ram)) continue;
      if (taken.start().value >= free_from && taken.start().value - free_from >= room) return true;
      free_from = std::max(free_from, taken.last() + 1);
    }
    if (free_from <= ram.last() && ram.last() - free_from + 1 >= room) return true;
  }
  return false;
}

void InsertSorted(std::vector<ByteRange>& ranges, const ByteRange& range) {
  ranges.insert(std::upper_bound(ranges.begin(), ranges.end(), range), range);
}

ListedRange AsListed(const Candidate& candidate) {
  return {candidate.range.start().value,
          static_cast<std::uint32_t>(candidate.range.length() / nextboot::kPageBytes),
          candidate.perhaps_firmware ? nextboot::kPerhapsFirmware : 0};
}

}  // namespace

std::string_view ToString(PlanRefusal refusal) {
  switch (refusal) {
    case PlanRefusal::kNotRam:
      return "not_ram";
    case PlanRefusal::kFirmware:
      return "firmware";
    case PlanRefusal::kKernelRoom:
      return "kernel_room";
    case PlanRefusal::kTooMany:
      return "too_many";
  }
  return "unknown";
}

BootPlan PlanBootList(const std::vector<JournalEntry>& entries, const PlanKnowledge& knowledge,
                      const PlanLimits& limits) {
  BootPlan plan;
  std::vector<Candidate> fit;
  // What was retired before the guest migrated is good memory for the next boot.
  for (const JournalEntry& entry : entries)
    if (!entry.other_memory) Judge(entry, knowledge, plan, fit);
  std::vector<Candidate> wanted = Merged(std::move(fit));
  std::stable_sort(wanted.begin(), wanted.end(), [](const Candidate& a, const Candidate& b) {
    if (a.need != b.need) return a.need < b.need;
    return a.range.length() > b.range.length();
  });
  std::vector<ByteRange> chosen;
  for (const Candidate& candidate : wanted) {
    if (chosen.size() >= std::min(limits.max_ranges, nextboot::kMaxRanges)) {
      plan.refused.push_back({candidate.range, PlanRefusal::kTooMany});
      continue;
    }
    std::vector<ByteRange> with = chosen;
    InsertSorted(with, candidate.range);
    if (!RoomLeft(knowledge.map, with, limits.kernel_room)) {
      plan.refused.push_back({candidate.range, PlanRefusal::kKernelRoom});
      continue;
    }
    chosen = std::move(with);
    plan.ranges.push_back(AsListed(candidate));
  }
  std::sort(plan.ranges.begin(), plan.ranges.end(),
            [](const ListedRange& a, const ListedRange& b) { return a.first < b.first; });
  return plan;
}

}  // namespace seaward::agent
