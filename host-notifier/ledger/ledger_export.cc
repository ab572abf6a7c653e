#include "host-notifier/ledger/ledger_export.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

namespace seaward::ledger {
namespace {

std::string Select(RecordKind kind) {
  std::string columns;
  for (const Field& field : FieldsOf(kind))
    columns += fmt::format("{}{}", columns.empty() ? "" : ", ", field.column);
  // Ids of VMs and incarnations say nothing of their order, and need none.
  const bool has_rowid = kind != RecordKind::kVerdict;
  return fmt::format("SELECT {} FROM {} ORDER BY {}", columns, ToString(kind),
                     has_rowid ? "rowid" : "page, boots, gpa, length");
}

// Statements are kept by their text's address, so it must not move.
const char* StatementOf(std::size_t kind) {
  static const auto kStatements = [] {
    std::array<std::string, std::size(kAllRecordKinds)> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = Select(kAllRecordKinds[i]);
    return all;
  }();
  return kStatements[kind].c_str();
}

FieldValue ValueOf(const Query& q, int column, FieldType type) {
  if (q.IsNull(column)) return std::monostate();
  if (type == FieldType::kNumber || type == FieldType::kPattern) return q.Signed(column);
  return q.Text(column);
}

}  // namespace

Result<std::unique_ptr<LedgerExport>> LedgerExport::Begin(const std::string& path) {
  auto database = Database::Open(path);
  if (!database) return Forward(database);
  // The first read fixes what all others see.
  if (auto done = database->Execute("PRAGMA query_only = ON; BEGIN"); !done) return Forward(done);
  if (auto seen = database->Ask("SELECT count(*) FROM vm"); !seen) return Forward(seen);
  return std::unique_ptr<LedgerExport>(new LedgerExport(std::move(*database)));
}

Result<std::vector<LedgerRecord>> LedgerExport::Next(std::size_t most) {
  std::vector<LedgerRecord> records;
  while (records.size() < most && kind_ < std::size(kAllRecordKinds)) {
    const auto taken = Take(records);
    if (!taken) return tl::unexpected<Error>(taken.error());
  }
  return records;
}

Result<bool> LedgerExport::Take(std::vector<LedgerRecord>& records) {
  if (query_ == nullptr) query_ = std::make_unique<Query>(db_, StatementOf(kind_));
  const auto more = query_->Next();
  if (!more) return more;
  if (!*more) {
    query_.reset();
    ++kind_;
    return false;
  }
  const RecordKind kind = kAllRecordKinds[kind_];
  LedgerRecord record{kind, {}};
  int column = 0;
  for (const Field& field : FieldsOf(kind))
    record.values.push_back(ValueOf(*query_, column++, field.type));
  records.push_back(std::move(record));
  return true;
}

}  // namespace seaward::ledger
