#include "host-notifier/app/metrics_desk.h"

#include <utility>

#include "host-notifier/app/live_status.h"
#include "host-notifier/metrics/metrics_text.h"

namespace seaward {

void MetricsDesk::Answer(std::function<void(Result<std::string>)> done) {
  notifier_.ledger().Read<std::vector<ledger::PageCount>>(
      [](ledger::Ledger& l) { return l.View().CountPages(); },
      [this, done = std::move(done)](Result<std::vector<ledger::PageCount>> pages) {
        if (!pages) return done(Forward(pages));
        metrics::MetricsSnapshot snapshot;
        snapshot.status = LiveStatus(notifier_);
        snapshot.pages = std::move(*pages);
        snapshot.waiting_writes = notifier_.ledger().waiting();
        snapshot.actions = notifier_.actions().counts();
        snapshot.open_actions = notifier_.actions().open();
        snapshot.now = clock_.WallNow();
        done(metrics::MetricsText(snapshot, notifier_.measurements()));
      });
}

}  // namespace seaward
