#include "host-notifier/app/metrics_desk.h"

#include <utility>

#include "host-notifier/app/live_status.h"
#include "host-notifier/metrics/metrics_text.h"

namespace seaward {
namespace {

struct Rows {
  std::vector<ledger::PageCount> pages;
  std::optional<ledger::RebuildRow> rebuild;
  std::vector<ledger::IncarnationRow> open;
};

Result<Rows> ReadRows(ledger::Ledger& ledger) {
  auto pages = ledger.View().CountPages();
  if (!pages) return Forward(pages);
  auto rebuild = ledger.View().Rebuild();
  if (!rebuild) return Forward(rebuild);
  auto open = ledger.View().OpenIncarnations();
  if (!open) return Forward(open);
  return Rows{std::move(*pages), std::move(*rebuild), std::move(*open)};
}

}  // namespace

void MetricsDesk::Answer(std::function<void(Result<std::string>)> done) {
  notifier_.ledger().Read<Rows>(ReadRows, [this, done = std::move(done)](Result<Rows> rows) {
    if (!rows) return done(Forward(rows));
    metrics::MetricsSnapshot snapshot;
    snapshot.status = LiveStatus(notifier_);
    snapshot.status.rebuild = std::move(rows->rebuild);
    JoinBootLists(snapshot.status, rows->open);
    snapshot.pages = std::move(rows->pages);
    snapshot.waiting_writes = notifier_.ledger().waiting();
    snapshot.actions = notifier_.actions().counts();
    snapshot.open_actions = notifier_.actions().open();
    snapshot.now = clock_.WallNow();
    done(metrics::MetricsText(snapshot, notifier_.measurements()));
  });
}

}  // namespace seaward
