// What operators and time do to the ledger.
#include <fmt/format.h>

#include "host-notifier/ledger/audit_table.h"
#include "host-notifier/ledger/ledger.h"
#include "host-notifier/ledger/retention.h"

namespace seaward::ledger {

Result<std::vector<PageRow>> Ledger::ClearPages(const Uuid& incarnation, const ByteRange& range,
                                                const AuditRow& entry) {
  std::vector<PageRow> cleared;
  auto done = InOneCommit(WriteOperation::kClearPages, [&]() -> Status {
    cleared.clear();
    auto pages = View().PagesInside(incarnation, range);
    if (!pages) return Forward(pages);
    for (const PageRow& page : *pages) {
      if (auto moved = MoveOne(page, PageEvent::kClear); !moved) return Forward(moved);
      auto now = View().Page(page.id);
      if (!now) return Forward(now);
      cleared.push_back(std::move(*now));
    }
    if (cleared.empty())
      return Fail(ErrorCode::kNotFound,
                  fmt::format("no bad page lies inside {} bytes at {}", range.length(),
                              FormatAddress(range.start().value)));
    AuditRow row = entry;
    row.pages = cleared.size();
    return AuditTable(db_).Store(row);
  });
  if (!done) return Forward(done);
  return cleared;
}

Status Ledger::RecordAudit(const AuditRow& entry) {
  return InOneCommit(WriteOperation::kRecordAudit, [&] { return AuditTable(db_).Store(entry); });
}

Result<std::uint64_t> Ledger::Retain(const RetentionPolicy& policy) {
  Result<std::uint64_t> removed = std::uint64_t{0};
  auto done = InOneCommit(WriteOperation::kRetain, [&]() -> Status {
    removed = Retention(db_, policy).RemoveBatch();
    if (!removed) return Forward(removed);
    return {};
  });
  if (!done) return Forward(done);
  return removed;
}

Result<std::vector<ImportedRecord>> Ledger::Import(ImportSession& session,
                                                   std::span<const LedgerRecord> records) {
  std::vector<ImportedRecord> outcomes;
  session.BeginBatch();
  auto done = InOneCommit(WriteOperation::kImport, [&]() -> Status {
    LedgerImport import(db_, host_boot_, clock_.WallNow(), limits_, session);
    for (const LedgerRecord& record : records) {
      auto outcome = import.Take(record);
      if (!outcome) return Forward(outcome);
      outcomes.push_back(std::move(*outcome));
    }
    return {};
  });
  if (!done) return Forward(done);
  session.EndBatch();
  return outcomes;
}

Result<std::unique_ptr<LedgerExport>> Ledger::BeginExport() const {
  return LedgerExport::Begin(path_);
}

}  // namespace seaward::ledger
