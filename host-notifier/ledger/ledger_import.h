// Takes records of another ledger, or of this one's past, into this one. What is known already
// stays as it is; ids of rows are given anew; memory that is not what it was comes in as ended.
// Every call runs inside the caller's transaction.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/uuid.h"
#include "host-notifier/ledger/ledger_limits.h"
#include "host-notifier/ledger/ledger_record.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {

enum class ImportOutcome {
  kAdded,
  kKnown,    // the ledger has it
  kRefused,  // it contradicts itself, the records before it, or a limit
};

struct ImportedRecord {
  ImportOutcome outcome = ImportOutcome::kRefused;
  std::string why;  // of a refusal
};

// What the records of one import so far are called here. A batch whose transaction failed may be
// given again: its names are taken back first.
class ImportSession {
 public:
  void BeginBatch();  // what is added from here on goes with EndBatch's absence
  void EndBatch();
  void NameIncarnation(const std::string& theirs, const std::string& ours);
  void NamePage(std::int64_t theirs, std::int64_t ours);
  // Null: no record has told of it.
  const std::string* Incarnation(const std::string& theirs) const;
  const std::int64_t* Page(std::int64_t theirs) const;

 private:
  std::map<std::string, std::string> incarnations_;
  std::map<std::int64_t, std::int64_t> pages_;
  std::vector<std::string> new_incarnations_;  // of the batch at hand
  std::vector<std::int64_t> new_pages_;
};

class LedgerImport {
 public:
  LedgerImport(Database& db, const Uuid& host_boot, WallTime now, const LedgerLimits& limits,
               ImportSession& session)
      : db_(db), host_boot_(host_boot), now_(now), limits_(limits), session_(session) {}

  // An error is the disk's; what is wrong with the record is in the answer.
  Result<ImportedRecord> Take(const LedgerRecord& record);

 private:
  Result<ImportedRecord> TakeVm(const LedgerRecord& record);
  Result<ImportedRecord> TakeIncarnation(const LedgerRecord& record);
  Result<ImportedRecord> TakePage(const LedgerRecord& record);
  Result<ImportedRecord> TakeVerdict(const LedgerRecord& record);
  Result<ImportedRecord> TakeEvent(const LedgerRecord& record);
  Result<ImportedRecord> TakeLoss(const LedgerRecord& record);
  Result<ImportedRecord> TakeAudit(const LedgerRecord& record);
  // The page as it is to stand here: of memory that is there, or of memory that is gone.
  Result<ImportedRecord> InsertPage(const LedgerRecord& record, const std::string& incarnation);
  Result<std::int64_t> FindPage(const LedgerRecord& record, const std::string& incarnation);
  // Frame and address, where only the record has them.
  Status CompletePage(std::int64_t page, const LedgerRecord& record);
  Status Insert(const LedgerRecord& record);
  Result<std::uint64_t> Count(const char* sql, std::string_view key);

  Database& db_;
  const Uuid host_boot_;
  const WallTime now_;
  const LedgerLimits& limits_;
  ImportSession& session_;
};

}  // namespace seaward::ledger
