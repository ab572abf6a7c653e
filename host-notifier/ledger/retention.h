// What the ledger need not keep for ever. Nothing that a running VM still needs goes: pages that
// are wanted, frames that wait for retirement in the host, errors without a place that make a VM
// unsafe to migrate. Every call runs inside the caller's transaction.
#pragma once

#include <cstdint>
#include <span>

#include "base/clock.h"
#include "base/result.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

class Retention {
 public:
  Retention(Database& db, const RetentionPolicy& policy) : db_(db), policy_(policy) {}

  // Removes at most `policy.batch_rows` rows, and returns how many; 0: nothing is left to remove.
  Result<std::uint64_t> RemoveBatch();

 private:
  Result<std::uint64_t> DropAudit();
  Result<std::uint64_t> DropEventsOfEndedPages();
  Result<std::uint64_t> DropEndedPages();
  Result<std::uint64_t> DropEvents();
  Result<std::uint64_t> DropLosses();
  Result<std::uint64_t> DropIncarnations();
  Result<std::uint64_t> DropVms();
  // Runs a DELETE ... RETURNING incarnation of events and keeps each VM's counts true.
  Result<std::uint64_t> RowsDroppedBy(Query& drop);
  Result<std::uint64_t> CountDropped(Query& removed);
  Result<std::uint64_t> Excess(const char* count_sql);

  Database& db_;
  const RetentionPolicy policy_;
};

}  // namespace seaward::ledger
