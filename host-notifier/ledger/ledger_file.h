// The ledger's file: locked, checked, migrated, or set aside and begun anew.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

struct LedgerFile {
  Database database;
  UniqueFd lock;                         // held as long as the ledger is open
  std::optional<std::string> set_aside;  // where a corrupt predecessor is now
  std::string why;
};

// See Ledger::Open. `now` only names the file that is set aside.
Result<LedgerFile> OpenLedgerFile(const std::string& path, WallTime now);

}  // namespace seaward::ledger
