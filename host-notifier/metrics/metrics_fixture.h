// One of every kind of sample.
#pragma once

#include "host-notifier/metrics/metrics_text.h"
#include "host-notifier/observe/sample_snapshot_fixture.h"

namespace seaward::metrics {

inline MetricsSnapshot SampleMetrics() {
  MetricsSnapshot snapshot;
  snapshot.status = observe::SampleStatus();
  snapshot.status.vms.resize(1);
  snapshot.status.attaches_refused = 2;
  snapshot.now = WallTime(std::chrono::seconds(1000));
  const auto at = [](int seconds) { return WallTime(std::chrono::seconds(seconds)); };
  const Uuid vm = observe::kSampleVm.uuid;
  snapshot.pages = {{vm, ledger::PageLife::kRetired, 5, at(100)},
                    {vm, ledger::PageLife::kDeferred, 2, at(940)},
                    {vm, ledger::PageLife::kDelivered, 1, at(990)},
                    {Uuid{}, ledger::PageLife::kFailed, 9, at(1)}};
  snapshot.actions = {{{"notify", "done"}, 3}, {{"cold_restart", "refused"}, 1}};
  snapshot.open_actions = 2;
  return snapshot;
}

}  // namespace seaward::metrics
