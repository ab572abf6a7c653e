// Reads every row of a ledger as it stood at one moment, while the ledger goes on.
//
// A connection of its own, that only reads; the ledger's thread. As long as it lives SQLite keeps
// what is written meanwhile in the WAL: not to be left lying about.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "host-notifier/ledger/ledger_record.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

class LedgerExport {
 public:
  static Result<std::unique_ptr<LedgerExport>> Begin(const std::string& path);
  LedgerExport(const LedgerExport&) = delete;
  LedgerExport& operator=(const LedgerExport&) = delete;

  // At most `most` of the next records, kind after kind; empty: that was all.
  Result<std::vector<LedgerRecord>> Next(std::size_t most);

 private:
  explicit LedgerExport(Database db) : db_(std::move(db)) {}
  Result<bool> Take(std::vector<LedgerRecord>& records);

  Database db_;
  std::size_t kind_ = 0;          // of kAllRecordKinds
  std::unique_ptr<Query> query_;  // its rows; before db_ goes
};

}  // namespace seaward::ledger
