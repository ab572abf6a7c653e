#include "host-notifier/ledger/schema.h"

#include <fmt/format.h>

#include <charconv>

namespace seaward::ledger {
namespace {

// Times: *_mono_ns CLOCK_MONOTONIC of the host boot, *_wall_ns Unix time. Addresses: 64-bit
// patterns in SQLite's signed integers. UUIDs: text.
constexpr Migration kVersion1 = R"(-- version 1
CREATE TABLE vm(
  uuid TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  event_rows INTEGER NOT NULL DEFAULT 0,
  events_pruned INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE incarnation(
  id TEXT PRIMARY KEY,
  vm TEXT NOT NULL REFERENCES vm(uuid) ON DELETE CASCADE,
  host_boot TEXT NOT NULL,
  pid INTEGER NOT NULL,
  start_time INTEGER NOT NULL,
  began_wall_ns INTEGER NOT NULL,
  ended_wall_ns INTEGER,
  boot TEXT,
  boots INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX incarnation_of_vm ON incarnation(vm, began_wall_ns);
CREATE TABLE page(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  incarnation TEXT NOT NULL REFERENCES incarnation(id) ON DELETE CASCADE,
  gpa INTEGER NOT NULL,
  length INTEGER NOT NULL,
  evidence TEXT NOT NULL,
  life TEXT NOT NULL,
  event_count INTEGER NOT NULL,
  first_mono_ns INTEGER NOT NULL,
  first_wall_ns INTEGER NOT NULL,
  last_wall_ns INTEGER NOT NULL,
  first_boots INTEGER NOT NULL,
  host_frame INTEGER,
  host_retired TEXT NOT NULL,
  host_errno INTEGER NOT NULL DEFAULT 0,
  outcome TEXT,
  kind TEXT,
  stage TEXT,
  sys_errno INTEGER NOT NULL DEFAULT 0,
  exposure_ns INTEGER
) STRICT;
CREATE INDEX page_of_incarnation ON page(incarnation, gpa);
CREATE TABLE event(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  incarnation TEXT NOT NULL REFERENCES incarnation(id) ON DELETE CASCADE,
  page INTEGER REFERENCES page(id) ON DELETE SET NULL,
  source TEXT NOT NULL,
  location TEXT NOT NULL,
  access TEXT NOT NULL,
  severity TEXT NOT NULL,
  evidence TEXT NOT NULL,
  gpa INTEGER,
  length INTEGER,
  gva INTEGER,
  flags INTEGER NOT NULL,
  esr INTEGER NOT NULL,
  raw_gva INTEGER NOT NULL,
  raw_gpa INTEGER NOT NULL,
  hva INTEGER NOT NULL,
  vcpu INTEGER NOT NULL,
  count INTEGER NOT NULL,
  mono_ns INTEGER NOT NULL,
  wall_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX event_of_incarnation ON event(incarnation, id);
CREATE INDEX event_of_page ON event(page);
CREATE TABLE verdict(
  page INTEGER NOT NULL REFERENCES page(id) ON DELETE CASCADE,
  boots INTEGER NOT NULL,
  boot TEXT NOT NULL,
  gpa INTEGER NOT NULL,
  length INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  kind TEXT NOT NULL,
  stage TEXT NOT NULL,
  sys_errno INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  received_mono_ns INTEGER NOT NULL,
  received_wall_ns INTEGER NOT NULL,
  times INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY(page, boots, gpa, length)
) STRICT, WITHOUT ROWID;
)";

// Each row is a change: the newest one of a kind says how it stands.
constexpr Migration kVersion2 = R"(-- version 2
CREATE TABLE alarm(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  vm TEXT NOT NULL REFERENCES vm(uuid) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  raised INTEGER NOT NULL,
  wall_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX alarm_of_vm ON alarm(vm, kind, id);
)";

// Suspected places: events keep theirs in gpa and length; a page says how it was found.
constexpr Migration kVersion3 = R"(-- version 3
ALTER TABLE page ADD COLUMN located_by TEXT NOT NULL DEFAULT 'gpa';
CREATE INDEX suspected_event ON event(incarnation, gpa) WHERE location = 'suspected';
)";

// Healing: where the frame was in the VMM, and what became of the order to replace it.
constexpr Migration kVersion4 = R"(-- version 4
ALTER TABLE page ADD COLUMN host_address INTEGER;
ALTER TABLE page ADD COLUMN heal TEXT NOT NULL DEFAULT 'no';
ALTER TABLE page ADD COLUMN heal_reason TEXT NOT NULL DEFAULT '';
UPDATE page SET host_address = (SELECT hva & ~4095 FROM event WHERE event.page = page.id
  AND hva <> 0 ORDER BY event.id LIMIT 1) WHERE host_frame IS NOT NULL;
)";

// Retention: when a page ended. Operators: what they did, kept apart from the VMs, which may go.
// Rebuild: which ledgers began after a corrupt one.
constexpr Migration kVersion5 = R"(-- version 5
ALTER TABLE page ADD COLUMN ended_wall_ns INTEGER;
UPDATE page SET ended_wall_ns = coalesce((SELECT ended_wall_ns FROM incarnation
  WHERE id = page.incarnation), last_wall_ns) WHERE life IN ('cleared', 'closed');
CREATE INDEX ended_page ON page(ended_wall_ns) WHERE ended_wall_ns IS NOT NULL;
CREATE INDEX event_of_time ON event(wall_ns);
CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  wall_ns INTEGER NOT NULL,
  action TEXT NOT NULL,
  uid INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  who TEXT NOT NULL,
  vm TEXT,
  gpa INTEGER,
  length INTEGER,
  pages INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX audit_of_time ON audit(wall_ns);
CREATE TABLE rebuild(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  wall_ns INTEGER NOT NULL,
  set_aside TEXT NOT NULL,
  why TEXT NOT NULL
) STRICT;
)";

// What the policy decided, and the outbox of what is to be done.
constexpr Migration kVersion6 = R"(-- version 6
CREATE TABLE decision(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  vm TEXT NOT NULL REFERENCES vm(uuid) ON DELETE CASCADE,
  incarnation TEXT NOT NULL,
  rule TEXT NOT NULL,
  sink TEXT NOT NULL,
  intervention TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  counted INTEGER NOT NULL,
  newest_fact_ns INTEGER NOT NULL,
  decided_wall_ns INTEGER NOT NULL,
  changed_wall_ns INTEGER NOT NULL,
  expires_wall_ns INTEGER NOT NULL,
  next_wall_ns INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  result TEXT NOT NULL DEFAULT '',
  kept_xml TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX decision_of_vm ON decision(vm, id);
CREATE INDEX decision_of_time ON decision(decided_wall_ns);
CREATE INDEX open_decision ON decision(state)
  WHERE state IN ('pending', 'under_way', 'restarting');
)";

// A ledger that began after a corrupt one asks the guests of the memory that was there before:
// recall has those that have not answered in full.
constexpr Migration kVersion7 = R"(-- version 7
CREATE TABLE recall(
  incarnation TEXT PRIMARY KEY REFERENCES incarnation(id) ON DELETE CASCADE
) STRICT;
ALTER TABLE rebuild ADD COLUMN host_boot TEXT NOT NULL DEFAULT '';
ALTER TABLE rebuild ADD COLUMN mono_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rebuild ADD COLUMN pages INTEGER NOT NULL DEFAULT 0;
)";

// Who protected each page last, what became of the list that a guest's kernel should be kept from,
// and which processes lost pages. Of earlier boots nobody knows more than the newest verdict.
constexpr Migration kVersion8 = R"(-- version 8
ALTER TABLE page ADD COLUMN protected_by TEXT;
UPDATE page SET protected_by = CASE
  WHEN outcome = 'excluded_before_boot' THEN 'before_kernel'
  WHEN outcome IN ('retired', 'already_retired') THEN stage END;
ALTER TABLE incarnation ADD COLUMN list_result TEXT;
ALTER TABLE incarnation ADD COLUMN list_boots INTEGER;
ALTER TABLE incarnation ADD COLUMN listed_pages INTEGER;
ALTER TABLE incarnation ADD COLUMN list_protected_pages INTEGER;
CREATE TABLE loss(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  incarnation TEXT NOT NULL REFERENCES incarnation(id) ON DELETE CASCADE,
  page INTEGER NOT NULL REFERENCES page(id) ON DELETE CASCADE,
  boot TEXT NOT NULL,
  gpa INTEGER NOT NULL,
  length INTEGER NOT NULL,
  lost_bytes INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  comm TEXT NOT NULL,
  cgroup TEXT NOT NULL,
  wall_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX loss_of_incarnation ON loss(incarnation, id);
CREATE INDEX loss_of_page ON loss(page);
CREATE INDEX loss_of_time ON loss(wall_ns);
)";

constexpr Migration kMigrations[] = {kVersion1, kVersion2, kVersion3, kVersion4,
                                     kVersion5, kVersion6, kVersion7, kVersion8};

Result<std::int64_t> AskNumber(Database& database, const std::string& sql) {
  auto text = database.Ask(sql);
  if (!text) return Forward(text);
  std::int64_t value = 0;
  std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

Status RunMigration(Database& database, Migration sql, std::size_t version) {
  auto transaction = Transaction::Begin(database);
  if (!transaction) return Forward(transaction);
  if (auto done = database.Execute(sql); !done) return Forward(done);
  const std::string stamp =
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, version);
  if (auto done = database.Execute(stamp); !done) return Forward(done);
  return transaction->Commit();
}

}  // namespace

std::span<const Migration> Migrations() {
  return kMigrations;
}

Status Migrate(Database& database, std::span<const Migration> migrations) {
  const auto version = AskNumber(database, "PRAGMA user_version");
  const auto application = AskNumber(database, "PRAGMA application_id");
  const auto tables = AskNumber(database, "SELECT count(*) FROM sqlite_schema");
  if (!version) return tl::unexpected<Error>(version.error());
  if (!application) return tl::unexpected<Error>(application.error());
  if (!tables) return tl::unexpected<Error>(tables.error());
  if (*application != kApplicationId && (*application != 0 || *tables != 0))
    return Fail(ErrorCode::kInvalid, "this database is not a ledger of Seaward");
  if (*version < 0 || static_cast<std::size_t>(*version) > migrations.size())
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the ledger has schema version {}; this program knows up to {}",
                            *version, migrations.size()));
  for (auto next = static_cast<std::size_t>(*version); next < migrations.size(); ++next)
    if (auto done = RunMigration(database, migrations[next], next + 1); !done) return done;
  return {};
}

}  // namespace seaward::ledger
