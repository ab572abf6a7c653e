// Takes bad frames away from the host's allocator, at the moment that the operator's mode and the
// domain allow, and records what became of each.
//
// Thread: the loop's; the work runs on the ledger thread, where a slow kernel delays no guest.
#pragma once

#include <functional>
#include <vector>

#include "base/log.h"
#include "host-notifier/app/host_memory.h"
#include "host-notifier/app/ledger_thread.h"
#include "host-notifier/app/retired_frames.h"
#include "host-notifier/config/notifier_config.h"
#include "host-notifier/ledger/ledger_rows.h"

namespace seaward {

class HostRetirer {
 public:
  // All outlive it.
  HostRetirer(LedgerThread& ledger, HostMemory& memory, RetiredFrames& retired, const Clock& clock,
              const Logger& log, const config::NotifierConfig& config)
      : ledger_(ledger),
        memory_(memory),
        retired_(retired),
        clock_(clock),
        log_(log),
        config_(config) {}

  // Whether RetireHeld is to be called for exits of such a VM.
  bool RetiresHeld(bool has_ghes) const;
  // A vCPU waits at its exit until the frame behind this page is gone. `done` with true when it is,
  // and the ledger says so.
  void RetireHeld(std::uint64_t page, std::function<void(bool)> done);
  // The VMM put another frame in the place of the one behind this page. `done` when that one is
  // retired, or will not be, and the ledger says which.
  void RetireReplaced(std::uint64_t page, std::function<void(bool)> done);
  // The guest answered for this page.
  void VerdictRecorded(const ledger::PageRow& page, bool has_ghes);
  // The memory of this incarnation went back to the host, or is about to; unless it is one that
  // stays the VM's.
  void VmEnded(const Uuid& incarnation, bool has_ghes);
  // Frames of VMs that ended while nobody was watching.
  void CatchUp();

 private:
  using Frames = std::vector<ledger::PendingFrame>;
  struct Attempt {
    ledger::PendingFrame frame;
    Status outcome;
  };
  using Attempts = std::vector<Attempt>;
  void RetireNow(std::uint64_t page, std::function<void(bool)> done);
  void RetireFrames(std::function<bool(const ledger::PendingFrame&)> chosen);
  // In order with the ledger's writes: frames of events that are on their way count.
  void RetireAll(std::function<Result<Frames>(ledger::Ledger&)> find,
                 std::function<void(const Attempts&)> tell);
  static Status Record(ledger::Ledger& ledger, const Attempt& attempt);

  LedgerThread& ledger_;
  HostMemory& memory_;
  RetiredFrames& retired_;
  const Clock& clock_;
  const Logger& log_;
  const config::NotifierConfig& config_;
};

}  // namespace seaward
