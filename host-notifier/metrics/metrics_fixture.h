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
  const auto count = [&](const Uuid& of, ledger::PageLife life, ledger::Protection by,
                         std::uint64_t pages, int oldest) {
    snapshot.pages.push_back({.vm = of,
                              .life = life,
                              .protection = by,
                              .outcome = {},
                              .pages = pages,
                              .oldest = at(oldest)});
  };
  using ledger::PageLife;
  using ledger::Protection;
  count(vm, PageLife::kRetired, Protection::kEarly, 4, 100);
  count(vm, PageLife::kRetired, Protection::kRun, 1, 120);
  count(vm, PageLife::kDeferred, Protection::kPending, 2, 940);
  count(vm, PageLife::kDelivered, Protection::kPending, 1, 990);
  count(Uuid{}, PageLife::kFailed, Protection::kNever, 9, 1);
  snapshot.actions = {{{"notify", "done"}, 3}, {{"cold_restart", "refused"}, 1}};
  snapshot.open_actions = 2;
  return snapshot;
}

}  // namespace seaward::metrics
