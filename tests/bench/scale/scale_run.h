// One measurement from an empty ledger to an idle notifier: pages come in through real rings, the
// notifier is killed and started again, everything syncs, nothing happens.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tests/bench/scale/bad_pages.h"
#include "tests/bench/scale/guest_fleet.h"
#include "tests/bench/scale/measured_notifier.h"
#include "tests/support/temp_dir.h"

namespace seaward::bench {

struct ScalePlan {
  std::size_t vms = 1000;
  std::size_t pages_per_vm = 100;
  std::chrono::seconds idle{20};  // how long doing nothing is measured
  std::string programs;           // where seaward-notifier and seawardctl are
};

class ScaleRun {
 public:
  ScaleRun(const ScalePlan& plan, const Clock& clock);
  ~ScaleRun();
  ScaleRun(const ScaleRun&) = delete;
  ScaleRun& operator=(const ScaleRun&) = delete;

  // All steps; the figures of those that were done stay after an error.
  Status Measure();
  const nlohmann::json& figures() const { return figures_; }

 private:
  Status MeasureWithoutVms();
  Status StartFleet();
  Status ConsumePoison();
  Status Restart();
  Status AskOperator(MonoTime started);
  Status MissPages();
  Status RestWhile();
  Status Await(const char* what, const std::function<bool()>& holds);
  // The bad pages [first, end) of every VM.
  Status PublishPages(std::size_t first, std::size_t end);
  bool AllAttached() const;
  bool AllDurable() const;

  const ScalePlan plan_;
  const Clock& clock_;
  testing::TempDir dir_;
  GuestFleet fleet_;
  std::vector<VmmHandle> vmms_;
  MeasuredNotifier notifier_;
  std::uint64_t empty_rss_kib_ = 0;
  nlohmann::json figures_;
};

}  // namespace seaward::bench
