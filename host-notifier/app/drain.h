// Brings the notifier to rest for maintenance: exits stay in their rings, reports are refused, and
// what is under way, to the disk and to the guests that are there, is waited for. Bounded twice:
// the wait by whoever asks, the rest by kLongestRest, after which bad pages are delivered again.
//
// Thread: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>

#include "base/clock.h"
#include "base/log.h"
#include "host-notifier/app/ledger_thread.h"
#include "host-notifier/app/vm.h"
#include "host-notifier/loop/loop_timer.h"
#include "host-notifier/observe/upkeep.h"

namespace seaward {

class Drain {
 public:
  using Vms = std::map<Uuid, std::shared_ptr<Vm>>;
  using Done = std::function<void(Result<observe::DrainResult>)>;
  // Whoever drained and forgot must not leave guests unprotected over a night.
  static constexpr std::chrono::seconds kLongestRest{600};

  // All outlive it.
  Drain(boost::asio::io_context& loop, const Clock& clock, const Logger& log, LedgerThread& ledger,
        const Vms& vms)
      : clock_(clock), log_(log), ledger_(ledger), vms_(vms), look_(loop), rest_(loop) {}

  // kBusy: somebody waits already. When the wait was in vain the notifier goes on at once.
  void Begin(std::chrono::seconds wait, Done done);
  // Goes on.
  void End();

  // Also of VMs that appear meanwhile.
  bool resting() const { return resting_; }

 private:
  void Look();
  void Written();
  void Finish(bool drained);
  observe::DrainResult Outstanding() const;

  const Clock& clock_;
  const Logger& log_;
  LedgerThread& ledger_;
  const Vms& vms_;
  LoopTimer look_;
  LoopTimer rest_;
  bool resting_ = false;
  Done done_;  // somebody waits
  MonoTime begun_{};
  MonoTime until_{};
};

}  // namespace seaward
