// Removes what the operator no longer wants kept, a small batch at a time, with every other write
// in between.
//
// Thread: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "host-notifier/app/ledger_thread.h"
#include "host-notifier/config/notifier_config.h"
#include "host-notifier/loop/loop_timer.h"

namespace seaward {

class LedgerKeeper {
 public:
  // All outlive it.
  LedgerKeeper(boost::asio::io_context& loop, const Clock& clock, const Logger& log,
               LedgerThread& ledger, const config::RetentionConfig& config)
      : clock_(clock), log_(log), ledger_(ledger), config_(config), timer_(loop) {}

  // Looks now, and every five minutes from then on.
  void Start();

 private:
  void Remove(std::uint64_t removed_before);

  const Clock& clock_;
  const Logger& log_;
  LedgerThread& ledger_;
  const config::RetentionConfig& config_;
  LoopTimer timer_;
};

}  // namespace seaward
