// The lives of VMs' memory and what their ends and boots do to all pages at once. Every call runs
// inside the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "host-notifier/ledger/ledger_limits.h"
#include "host-notifier/ledger/ledger_probe.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

class IncarnationTable {
 public:
  IncarnationTable(Database& db, const Uuid& host_boot, WallTime now, const LedgerLimits& limits,
                   LedgerProbe& probe)
      : db_(db), host_boot_(host_boot), now_(now), limits_(limits), probe_(probe) {}

  Status RememberVm(const VmIdentity& vm);
  // The incarnation of this process, brought back to life when it was ended; nullopt: none yet.
  Result<std::optional<Uuid>> Continue(const Uuid& vm, const ProcessIdentity& vmm);
  // Named after the process: a ledger that lost its rows gives the same memory the same name.
  // When this ledger replaced a corrupt one while the process ran, its guest is to be asked.
  Result<Uuid> Insert(const Uuid& vm, const ProcessIdentity& vmm);
  Status End(const Uuid& incarnation);
  // Those of `vm` that are open, but for `except`.
  Status EndOthers(const Uuid& vm, const Uuid& except);
  // Pages that were bad at the end of the incarnation before `to` are bad in this one, too, and no
  // boot of it knows.
  Status CarryPages(const Uuid& vm, const Uuid& to);
  // After a reboot of the host no memory is what it was and no frame number is to be trusted.
  Status EndOtherHostBoots();
  // False when `boot` is the newest one already.
  Result<bool> BeginBoot(const Uuid& incarnation, const Uuid& boot);
  Status DropOld(const Uuid& vm);

 private:
  Status Apply(const Uuid& incarnation, PageEvent event, std::optional<bool> predicted);

  Database& db_;
  Uuid host_boot_;
  WallTime now_;
  LedgerLimits limits_;
  LedgerProbe& probe_;
};

}  // namespace seaward::ledger
