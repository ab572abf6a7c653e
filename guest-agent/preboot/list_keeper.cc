#include "guest-agent/preboot/list_keeper.h"

#include <fmt/format.h>

#include <map>

#include "base/file_io.h"
#include "guest-agent/preboot/efi_variables.h"

namespace seaward::agent {
namespace {

constexpr std::size_t kIomemCap = 1 << 20;  // a guest with a thousand devices stays far below

std::uint64_t PagesOf(const std::vector<nextboot::ListedRange>& ranges) {
  std::uint64_t pages = 0;
  for (const nextboot::ListedRange& range : ranges) pages += range.pages;
  return pages;
}

}  // namespace

Status ListKeeper::Keep(const JournalContent& journal) {
  // Without a name of the machine no list can be told from another machine's.
  if (journal.machine.IsNil()) return {};
  auto iomem = ReadTextFile(places_.proc + "/iomem", kIomemCap);
  if (!iomem) return Forward(iomem);
  auto map = PrebootMap::Parse(*iomem);
  if (!map) return Forward(map);
  const auto report = ReadBootReport(EfiVariables(places_.sys));
  const auto last = LoadList(places_.list);
  const bool same_machine = last && last->machine == journal.machine;
  const BootPlan plan = PlanBootList(
      journal.entries, {*map, report ? &*report : nullptr, same_machine ? &last->ranges : nullptr},
      limits_);
  const StoredList list{journal.machine, journal.incarnation, plan.ranges};
  if (!last || *last != list) {
    if (auto saved = SaveList(places_.list, list); !saved) return saved;
    log_.Info("next_boot_list", {{"ranges", fmt::format("{}", list.ranges.size())},
                                 {"pages", fmt::format("{}", PagesOf(list.ranges))},
                                 {"left_out", fmt::format("{}", plan.refused.size())}});
  }
  Tell(plan, list);
  return {};
}

// One line for each reason: a list that is full may leave thousands out.
void ListKeeper::Tell(const BootPlan& plan, const StoredList& list) {
  if (plan.refused == told_) return;
  told_ = plan.refused;
  std::map<PlanRefusal, std::pair<std::size_t, GuestPhysAddr>> reasons;
  for (const BootPlan::Refused& refused : plan.refused)
    ++reasons.try_emplace(refused.why, 0, refused.range.start()).first->second.first;
  for (const auto& [why, what] : reasons)
    log_.Warning("next_boot_left_out", {{"why", std::string(ToString(why))},
                                        {"ranges", fmt::format("{}", what.first)},
                                        {"first", FormatAddress(what.second.value)},
                                        {"listed", fmt::format("{}", list.ranges.size())}});
}

}  // namespace seaward::agent
