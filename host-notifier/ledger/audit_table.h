// What operators did to the ledger. Every call runs inside the caller's transaction.
#pragma once

#include "base/result.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

class AuditTable {
 public:
  explicit AuditTable(Database& db) : db_(db) {}
  // `entry.id` is the ledger's to choose.
  Status Store(const AuditRow& entry);

 private:
  Database& db_;
};

}  // namespace seaward::ledger
