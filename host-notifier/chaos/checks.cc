#include "host-notifier/chaos/checks.h"

#include <fmt/format.h>

#include <algorithm>

namespace seaward::chaos {
namespace {

// Named in full; the others are a number.
constexpr std::size_t kNamed = 8;

bool IsOver(std::string_view life) {
  return life == "cleared" || life == "closed";
}

// What is wrong, page by page, as one text.
class Complaints {
 public:
  void Add(const PageRecord& page, const std::string& why) {
    ++count_;
    if (count_ <= kNamed)
      text_ +=
          fmt::format("{}{}: {}", text_.empty() ? "" : "; ", FormatAddress(page.page.value), why);
  }
  CheckRecord Record(const char* name) const {
    const bool more = count_ > kNamed;
    return {name, count_ == 0,
            more ? fmt::format("{}; and {} more", text_, count_ - kNamed) : text_};
  }

 private:
  std::size_t count_ = 0;
  std::string text_;
};

struct RowsOfPage {
  std::vector<const LedgerRow*> active;
  bool was_there =
      false;  // a row of it is over: healed, forgotten at a boot, or its memory is gone
};

RowsOfPage RowsAbout(const PageRecord& page, const std::vector<LedgerRow>& rows) {
  RowsOfPage found;
  for (const LedgerRow& row : rows) {
    if (!row.range.Contains(page.page)) continue;
    if (row.of_this_memory && !IsOver(row.life))
      found.active.push_back(&row);
    else
      found.was_there = true;
  }
  return found;
}

std::uint64_t EventsAbout(const std::vector<PageRecord>& pages,
                          const std::vector<LedgerRow>& rows) {
  std::uint64_t events = 0;
  for (const LedgerRow& row : rows)
    if (std::ranges::any_of(pages,
                            [&row](const PageRecord& p) { return row.range.Contains(p.page); }))
      events += row.events;
  return events;
}

}  // namespace

bool IsFinal(std::string_view life) {
  return life == "retired" || life == "excluded" || life == "failed" || IsOver(life);
}

void CheckRun(RunRecord& run, const std::vector<LedgerRow>& before,
              const std::vector<LedgerRow>& after, const VmPicture& now) {
  Complaints one_row;
  Complaints verdict;
  for (const PageRecord& page : run.pages) {
    if (page.told == 0) continue;
    const RowsOfPage rows = RowsAbout(page, after);
    if (rows.active.size() > 1) one_row.Add(page, fmt::format("{} rows", rows.active.size()));
    if (rows.active.empty() && !rows.was_there) one_row.Add(page, "no row");
    for (const LedgerRow* row : rows.active)
      if (!IsFinal(row->life)) verdict.Add(page, row->life);
  }
  run.checks.push_back(one_row.Record("one_row"));
  run.checks.push_back(verdict.Record("verdict"));
  run.checks.push_back({"session", now.session == "live",
                        now.session == "live" ? "" : "the guest's session is " + now.session});
  // Rows are pruned with their memory only, and never while the VM runs: the difference is ours, or
  // that of real errors besides, which make it larger.
  const std::uint64_t events = EventsAbout(run.pages, after);
  const std::uint64_t recorded = events - std::min(EventsAbout(run.pages, before), events);
  const std::uint64_t missing = run.news_told - std::min(run.news_told, recorded);
  run.losses_silent = missing - std::min(missing, run.losses_counted);
  run.checks.push_back({"losses_counted", run.losses_silent == 0,
                        run.losses_silent == 0
                            ? ""
                            : fmt::format("{} of {} news are neither on record nor counted as lost",
                                          run.losses_silent, run.news_told)});
}

}  // namespace seaward::chaos
