// Changes of alarms, bounded per VM. Every call runs inside the caller's transaction.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "host-notifier/ledger/ledger_limits.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

class AlarmTable {
 public:
  AlarmTable(Database& db, WallTime now, const LedgerLimits& limits)
      : db_(db), now_(now), limits_(limits) {}

  // nullopt: the newest row says the same, or there is none and the alarm is not raised.
  Result<std::optional<AlarmRow>> Store(const VmIdentity& vm, AlarmKind kind, bool raised);

 private:
  Result<bool> IsRaised(const Uuid& vm, AlarmKind kind);
  Status MakeRoom(const Uuid& vm);

  Database& db_;
  const WallTime now_;
  const LedgerLimits limits_;
};

}  // namespace seaward::ledger
