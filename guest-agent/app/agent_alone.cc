// What the agent does without a host: it takes what is known in the machine itself.
#include <fmt/format.h>

#include "guest-agent/app/agent.h"
#include "guest-agent/preboot/boot_installer.h"
#include "guest-agent/preboot/efi_variables.h"

namespace seaward::agent {
namespace {

using protocol::Evidence;

// Pages between two looks at the clock.
constexpr std::size_t kSlice = 8;

}  // namespace

static_assert(static_cast<int>(nextboot::BootResult::kApplied) ==
                  static_cast<int>(protocol::ListResult::kApplied) &&
              nextboot::kLastBootResult == static_cast<int>(protocol::ListResult::kNoVolume));

void Agent::ReadDriversReport() {
  const auto report = ReadBootReport(EfiVariables(roots_.sys));
  if (!report) {
    if (report.error().code == ErrorCode::kCorrupt)
      log_.Warning("before_kernel", {{"why", report.error().Text()}});
    return;
  }
  const bool applied = report->result == nextboot::BootResult::kApplied;
  const auto say = [&](auto method) {
    (log_.*method)("before_kernel", {{"result", std::string(ToString(report->result))},
                                     {"listed", fmt::format("{}", report->listed_pages)},
                                     {"protected", fmt::format("{}", report->protected_pages)},
                                     {"boots", fmt::format("{}", report->boots)}});
  };
  applied ? say(&Logger::Info) : say(&Logger::Warning);
  left_by_driver_ = LeftToTheKernel(*report);
  session_.RememberBeforeKernel({.result = static_cast<protocol::ListResult>(report->result),
                                 .boots = report->boots,
                                 .listed_pages = report->listed_pages,
                                 .protected_pages = report->protected_pages});
}

void Agent::RetireWhatTheDriverLeft(MonoTime deadline) {
  std::vector<protocol::PoisonEntry> entries;
  for (const ByteRange& range : left_by_driver_)
    entries.push_back({.id = 1, .range = range, .evidence = Evidence::kLatent, .replay = true});
  RetireNow(entries, deadline);
}

void Agent::RetireWhatTheJournalKnows(MonoTime deadline) {
  if (!AdoptJournal()) return;
  std::vector<protocol::PoisonEntry> entries;
  for (const JournalEntry& entry : journal_.Content().entries)
    if (!entry.other_memory)
      entries.push_back(
          {.id = 1, .range = entry.range, .evidence = entry.evidence, .replay = true});
  RetireNow(entries, deadline);
  log_.Info("journal_replayed", {{"entries", fmt::format("{}", entries.size())},
                                 {"retired_bytes", fmt::format("{}", desk_.retired_bytes())}});
}

// The queue is shorter than a journal may be, and the desk may be kept from its work by its rate.
void Agent::RetireNow(const std::vector<protocol::PoisonEntry>& entries, MonoTime deadline) {
  auto next = entries.begin();
  while (clock_.Now() < deadline && (next != entries.end() || desk_.HasQueued())) {
    while (next != entries.end() && desk_.Submit(*next)) ++next;
    OnProgress(desk_.Work(kSlice));
  }
  LogVerdicts();
}

}  // namespace seaward::agent
