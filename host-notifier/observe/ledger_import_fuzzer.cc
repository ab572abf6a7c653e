// Any bytes as an export that an operator has imported: cut into lines, read, and taken into a real
// ledger in memory. Nothing breaks it, every refusal says why, what is refused leaves nothing
// behind, and what was taken once is not taken again.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host-notifier/ledger/ledger_import.h"
#include "host-notifier/ledger/schema.h"
#include "host-notifier/observe/record_intake.h"
#include "host-notifier/observe/record_lines.h"

namespace {

using namespace seaward;           // NOLINT(google-build-using-namespace)
using namespace seaward::observe;  // NOLINT(google-build-using-namespace)
using namespace seaward::ledger;   // NOLINT(google-build-using-namespace)

void Require(bool rule) {
  if (!rule) std::abort();
}

Database OpenLedger() {
  constexpr char kInMemory[] = ":memory:";
  auto database = Database::Open(kInMemory);
  ::unlink(kInMemory);  // Open makes a file first, which SQLite does not look at
  Require(database.has_value() && Migrate(*database, Migrations()).has_value());
  return std::move(*database);
}

// What the ledger's own schema leaves to the code: at most one row of a place in one memory.
void CheckLedger(Database& database) {
  const auto twice = database.Ask(
      "SELECT count(*) FROM (SELECT 1 FROM page WHERE life NOT IN ('cleared', 'closed') GROUP BY "
      "incarnation, gpa, length HAVING count(*) > 1)");
  Require(twice.has_value() && *twice == "0");
  const auto lost = database.Ask("SELECT count(*) FROM pragma_foreign_key_check");
  Require(lost.has_value() && *lost == "0");
}

// How many rows came in.
std::uint64_t Import(Database& database, std::string_view bytes, std::size_t piece) {
  RecordIntake intake;
  ImportSession session;
  const LedgerLimits limits;
  const auto take = [&] {
    for (auto records = intake.TakeBatch(); !records.empty(); records = intake.TakeBatch()) {
      session.BeginBatch();
      LedgerImport import(database, Uuid{{std::byte{7}}}, WallTime{}, limits, session);
      std::vector<ImportedRecord> outcomes;
      for (const LedgerRecord& record : records) {
        auto outcome = import.Take(record);
        Require(outcome.has_value());
        Require(outcome->outcome != ImportOutcome::kRefused || !outcome->why.empty());
        outcomes.push_back(std::move(*outcome));
      }
      session.EndBatch();
      intake.Answer(outcomes);
    }
  };
  while (!bytes.empty()) {
    intake.Feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    take();
  }
  intake.End();
  take();
  const ImportResult& result = intake.result();
  Require(result.added + result.known + result.refused <= result.lines + 1);
  for (const auto& error : result.errors) Require(!error.text.empty());
  return result.added;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Database database = OpenLedger();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string with_header = RecordHeaderLine() + "\n" + std::string(text);
  Require(database.Execute("BEGIN").has_value());
  (void)Import(database, text, size % 61 + 1);
  (void)Import(database, with_header, 4096);
  Require(Import(database, with_header, 4096) == 0);
  CheckLedger(database);
  Require(database.Execute("ROLLBACK").has_value());
  return 0;
}
