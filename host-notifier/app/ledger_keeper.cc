#include "host-notifier/app/ledger_keeper.h"

#include <string>

namespace seaward {
namespace {

// Ages are days, but a storm can bring a million rows in so many minutes.
constexpr std::chrono::minutes kBetweenLooks{5};

}  // namespace

void LedgerKeeper::Start() {
  timer_.Start(kBetweenLooks, [this] { Start(); });
  Remove(0);
}

void LedgerKeeper::Remove(std::uint64_t removed_before) {
  const WallTime now = clock_.WallNow();
  const ledger::RetentionPolicy policy{.closed_before = now - config_.closed_pages,
                                       .events_before = now - config_.events,
                                       .audit_before = now - config_.audit,
                                       .max_rows = config_.max_rows};
  ledger_.Write<std::uint64_t>(
      [policy](ledger::Ledger& l) { return l.Retain(policy); },
      [this, removed_before](const Result<std::uint64_t>& removed) {
        // A ledger that fails says so by its other writes; the next hour comes.
        if (!removed) return log_.Warning("retention_failed", {{"why", removed.error().Text()}});
        const std::uint64_t all = removed_before + *removed;
        if (*removed > 0) return Remove(all);
        if (all > 0) log_.Info("retention", {{"rows_removed", std::to_string(all)}});
      });
}

}  // namespace seaward
