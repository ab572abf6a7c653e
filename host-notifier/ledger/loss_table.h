// Which processes lost which pages, by the guests' word, bounded per VM. Every call runs inside the
// caller's transaction.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "host-notifier/ledger/ledger_limits.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

class LossTable {
 public:
  LossTable(Database& db, WallTime now, const LedgerLimits& limits)
      : db_(db), now_(now), limits_(limits) {}

  // Returns how many of them are on record now: a loss of a page that this incarnation does not
  // have is none.
  Result<std::uint64_t> Store(const IncarnationRow& life, const protocol::Losses& losses);

 private:
  Status MakeRoom(const Uuid& vm);

  Database& db_;
  const WallTime now_;
  const LedgerLimits& limits_;
};

}  // namespace seaward::ledger
