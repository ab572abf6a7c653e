// What Prometheus reads. docs/METRICS.md lists every name; a test compares. Pure.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/metrics/duration_histogram.h"
#include "host-notifier/observe/snapshot.h"

namespace seaward::metrics {

struct MetricsSnapshot {
  // VMs that are live now; their `pages` are not looked at.
  observe::StatusSnapshot status;
  std::vector<ledger::PageCount> pages;
  std::uint64_t waiting_writes = 0;
  std::map<std::pair<std::string, std::string>, std::uint64_t> actions;  // by action and state
  std::uint64_t open_actions = 0;
  WallTime now;
};

// The text exposition format, version 0.0.4. Every name is there, also without a sample.
std::string MetricsText(const MetricsSnapshot& snapshot, const Measurements& measurements);

}  // namespace seaward::metrics
