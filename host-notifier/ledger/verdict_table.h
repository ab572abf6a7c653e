// What guests answered, and what that makes of a page. Every call runs inside the caller's
// transaction.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "host-notifier/ledger/ledger_limits.h"
#include "host-notifier/ledger/ledger_probe.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

class VerdictTable {
 public:
  VerdictTable(Database& db, WallTime now, const LedgerLimits& limits, LedgerProbe& probe)
      : db_(db), now_(now), limits_(limits), probe_(probe) {}

  // Stores `record` as the newest for its range in this boot; a repeated one takes no further row.
  // kLimit beyond verdicts_per_page.
  Status Store(const PageRow& page, const IncarnationRow& life,
               const protocol::VerdictRecord& record, MonoTime received);
  // Moves the page when this boot's records cover it.
  Status Settle(const PageRow& page, const IncarnationRow& life, MonoTime received);

 private:
  Result<std::vector<protocol::VerdictRecord>> NewestFirst(const PageRow& page,
                                                           const IncarnationRow& life);

  Database& db_;
  WallTime now_;
  LedgerLimits limits_;
  LedgerProbe& probe_;
};

}  // namespace seaward::ledger
