#include "host-notifier/ledger/ledger_import.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <utility>

#include "base/units.h"
#include "host-notifier/ledger/page_life.h"

namespace seaward::ledger {
namespace {

const ImportedRecord kAddedRecord{ImportOutcome::kAdded, ""};
const ImportedRecord kKnownRecord{ImportOutcome::kKnown, ""};

ImportedRecord Refused(std::string why) {
  return {ImportOutcome::kRefused, std::move(why)};
}

std::string InsertStatement(RecordKind kind) {
  std::string columns;
  std::string values;
  for (const Field& field : FieldsOf(kind)) {
    columns += fmt::format("{}{}", columns.empty() ? "" : ", ", field.column);
    values += values.empty() ? "?" : ", ?";
  }
  return fmt::format("INSERT OR IGNORE INTO {}({}) VALUES({})", ToString(kind), columns, values);
}

// Statements are kept by their text's address, so it must not move.
const char* StatementOf(RecordKind kind) {
  static const auto kStatements = [] {
    std::array<std::string, std::size(kAllRecordKinds)> all;
    for (const RecordKind each : kAllRecordKinds)
      all[static_cast<std::size_t>(each)] = InsertStatement(each);
    return all;
  }();
  return kStatements[static_cast<std::size_t>(kind)].c_str();
}

void Set(LedgerRecord& record, std::string_view key, FieldValue value) {
  const_cast<FieldValue&>(record.At(key)) = std::move(value);
}

bool IsGranular(const LedgerRecord& record) {
  const auto gpa = static_cast<std::uint64_t>(record.Number("gpa"));
  const auto length = static_cast<std::uint64_t>(record.Number("length_bytes"));
  // Arm: guest physical addresses have at most 52 bits.
  constexpr std::uint64_t kTop = std::uint64_t{1} << 52;
  return gpa % kPoisonGranule == 0 && length % kPoisonGranule == 0 && gpa < kTop &&
         length <= kTop - gpa;
}

}  // namespace

void ImportSession::BeginBatch() {
  for (const std::string& id : std::exchange(new_incarnations_, {})) incarnations_.erase(id);
  for (const std::int64_t id : std::exchange(new_pages_, {})) pages_.erase(id);
}
void ImportSession::EndBatch() {
  new_incarnations_.clear();
  new_pages_.clear();
}
void ImportSession::NameIncarnation(const std::string& theirs, const std::string& ours) {
  if (incarnations_.emplace(theirs, ours).second) new_incarnations_.push_back(theirs);
}
void ImportSession::NamePage(std::int64_t theirs, std::int64_t ours) {
  if (pages_.emplace(theirs, ours).second) new_pages_.push_back(theirs);
}
const std::string* ImportSession::Incarnation(const std::string& theirs) const {
  const auto found = incarnations_.find(theirs);
  return found == incarnations_.end() ? nullptr : &found->second;
}
const std::int64_t* ImportSession::Page(std::int64_t theirs) const {
  const auto found = pages_.find(theirs);
  return found == pages_.end() ? nullptr : &found->second;
}

Result<ImportedRecord> LedgerImport::Take(const LedgerRecord& record) {
  if (auto good = CheckRecord(record); !good) return Refused(good.error().context);
  switch (record.kind) {
    case RecordKind::kVm:
      return TakeVm(record);
    case RecordKind::kIncarnation:
      return TakeIncarnation(record);
    case RecordKind::kPage:
      return TakePage(record);
    case RecordKind::kVerdict:
      return TakeVerdict(record);
    case RecordKind::kEvent:
      return TakeEvent(record);
    case RecordKind::kLoss:
      return TakeLoss(record);
    case RecordKind::kAudit:
      return TakeAudit(record);
  }
  return Refused("unknown kind");
}

Status LedgerImport::Insert(const LedgerRecord& record) {
  Query insert(db_, StatementOf(record.kind), std::span<const FieldValue>(record.values));
  return insert.Run();
}

Result<std::uint64_t> LedgerImport::Count(const char* sql, std::string_view key) {
  return Query(db_, sql, key).Number();
}

Result<ImportedRecord> LedgerImport::TakeVm(const LedgerRecord& record) {
  if (auto done = Insert(record); !done) return Forward(done);
  return db_.Changes() > 0 ? kAddedRecord : kKnownRecord;
}

Result<ImportedRecord> LedgerImport::TakeIncarnation(const LedgerRecord& record) {
  const std::string& id = record.Text("id");
  const std::string& vm = record.Text("vm");
  const auto vms = Count("SELECT count(*) FROM vm WHERE uuid = ?", vm);
  if (!vms) return tl::unexpected<Error>(vms.error());
  if (*vms == 0) return Refused(fmt::format("no line before it tells of VM {}", vm));
  Query known(db_,
              "SELECT id FROM incarnation WHERE vm = ?2 AND (id = ?1 OR "
              "(pid = ?3 AND start_time = ?4 AND host_boot = ?5))",
              id, vm, record.Number("pid"), record.Number("start_ticks"), record.Text("host_boot"));
  const auto found = known.Next();
  if (!found) return tl::unexpected<Error>(found.error());
  if (*found) {
    session_.NameIncarnation(id, known.Text(0));
    return kKnownRecord;
  }
  const auto open =
      Count("SELECT count(*) FROM incarnation WHERE vm = ? AND ended_wall_ns IS NULL", vm);
  if (!open) return tl::unexpected<Error>(open.error());
  LedgerRecord ours = record;
  const bool gone = *open > 0 || record.Text("host_boot") != FormatUuid(host_boot_);
  if (gone && record.IsNull("ended_unix_ns")) Set(ours, "ended_unix_ns", Ns(now_));
  if (auto done = Insert(ours); !done) return Forward(done);
  if (db_.Changes() == 0) return Refused("another VM has this incarnation");
  session_.NameIncarnation(id, id);
  return kAddedRecord;
}

Result<std::int64_t> LedgerImport::FindPage(const LedgerRecord& record,
                                            const std::string& incarnation) {
  // The same row, or the same bad memory told by somebody else.
  Query q(db_,
          "SELECT id FROM page WHERE incarnation = ?1 AND gpa = ?2 AND length = ?3 AND "
          "(first_wall_ns = ?4 OR (?5 AND life NOT IN ('cleared', 'closed'))) LIMIT 1",
          incarnation, record.Number("gpa"), record.Number("length_bytes"),
          record.Number("first_seen_unix_ns"),
          IsWanted(ParsePageLife(record.Text("life")).value_or(PageLife::kClosed)));
  const auto id = q.Number();
  if (!id) return tl::unexpected<Error>(id.error());
  return static_cast<std::int64_t>(*id);
}

Result<ImportedRecord> LedgerImport::TakePage(const LedgerRecord& record) {
  if (!IsGranular(record)) return Refused("'gpa' and 'length_bytes' name no whole granules");
  const std::string* incarnation = session_.Incarnation(record.Text("incarnation"));
  if (incarnation == nullptr)
    return Refused("no line before it tells of incarnation " + record.Text("incarnation"));
  const auto known = FindPage(record, *incarnation);
  if (!known) return tl::unexpected<Error>(known.error());
  if (*known == 0) return InsertPage(record, *incarnation);
  if (auto done = CompletePage(*known, record); !done) return Forward(done);
  session_.NamePage(record.Number("id"), *known);
  return kKnownRecord;
}

Status LedgerImport::CompletePage(std::int64_t page, const LedgerRecord& record) {
  if (record.IsNull("host_frame")) return {};
  return Query(db_,
               "UPDATE page SET host_frame = ?2, host_address = ?3, host_retired = ?4, "
               "host_errno = ?5 WHERE id = ?1 AND host_frame IS NULL AND incarnation IN "
               "(SELECT id FROM incarnation WHERE host_boot = ?6)",
               page, record.Number("host_frame"), record.At("host_address"),
               record.Text("host_retired"), record.Number("host_errno"), host_boot_)
      .Run();
}

Result<ImportedRecord> LedgerImport::InsertPage(const LedgerRecord& record,
                                                const std::string& incarnation) {
  const auto pages = Count("SELECT count(*) FROM page WHERE incarnation = ?", incarnation);
  if (!pages) return tl::unexpected<Error>(pages.error());
  if (*pages >= limits_.pages_per_incarnation)
    return Refused(
        fmt::format("more than {} pages of one incarnation", limits_.pages_per_incarnation));
  Query life(db_, "SELECT host_boot, ended_wall_ns IS NULL FROM incarnation WHERE id = ?",
             incarnation);
  if (const auto found = life.Next(); !found) return tl::unexpected<Error>(found.error());
  const bool this_boot = life.Text(0) == FormatUuid(host_boot_);
  const bool open = life.Signed(1) != 0;
  // A guest that goes on is asked anew what it did with the page; memory that is gone is closed.
  const PageLife theirs = ParsePageLife(record.Text("life")).value_or(PageLife::kClosed);
  const PageEvent event = !open                         ? PageEvent::kIncarnationEnds
                          : theirs == PageLife::kClosed ? PageEvent::kIncarnationContinues
                                                        : PageEvent::kNewBoot;
  const PageLife ours = Advance(theirs, event).value_or(theirs);
  LedgerRecord row = record;
  Set(row, "id", std::monostate());
  Set(row, "incarnation", incarnation);
  Set(row, "life", std::string(ToString(ours)));
  if (IsWanted(ours))
    Set(row, "ended_unix_ns", std::monostate());
  else if (record.IsNull("ended_unix_ns"))
    Set(row, "ended_unix_ns", Ns(now_));
  // A frame number means nothing after a reboot of the host.
  if (!this_boot && record.Text("host_retired") == "pending")
    Set(row, "host_retired", std::string("no"));
  if (auto done = Insert(row); !done) return Forward(done);
  session_.NamePage(record.Number("id"), db_.LastRowId());
  return kAddedRecord;
}

Result<ImportedRecord> LedgerImport::TakeVerdict(const LedgerRecord& record) {
  const std::int64_t* page = session_.Page(record.Number("page"));
  if (page == nullptr)
    return Refused(fmt::format("no line before it tells of page {}", record.Number("page")));
  LedgerRecord row = record;
  Set(row, "page", *page);
  if (auto done = Insert(row); !done) return Forward(done);
  return db_.Changes() > 0 ? kAddedRecord : kKnownRecord;
}

Result<ImportedRecord> LedgerImport::TakeEvent(const LedgerRecord& record) {
  const std::string* incarnation = session_.Incarnation(record.Text("incarnation"));
  if (incarnation == nullptr)
    return Refused("no line before it tells of incarnation " + record.Text("incarnation"));
  LedgerRecord row = record;
  Set(row, "id", std::monostate());
  Set(row, "incarnation", *incarnation);
  if (!record.IsNull("page")) {
    const std::int64_t* page = session_.Page(record.Number("page"));
    if (page == nullptr)
      return Refused(fmt::format("no line before it tells of page {}", record.Number("page")));
    Set(row, "page", *page);
  }
  Query known(db_,
              "SELECT count(*) FROM event WHERE wall_ns = ?1 AND incarnation = ?2 AND mono_ns = ?3 "
              "AND vcpu = ?4 AND gpa IS ?5 AND esr = ?6 AND source = ?7",
              record.Number("seen_unix_ns"), *incarnation, record.Number("mono_ns"),
              record.Number("vcpu"), record.At("gpa"), record.Number("esr"), record.Text("source"));
  const auto rows = known.Number();
  if (!rows) return tl::unexpected<Error>(rows.error());
  if (*rows > 0) return kKnownRecord;
  Query counted(db_,
                "UPDATE vm SET event_rows = event_rows + 1 WHERE event_rows < ?2 AND uuid = "
                "(SELECT vm FROM incarnation WHERE id = ?1)",
                *incarnation, limits_.event_rows_per_vm);
  if (auto done = counted.Run(); !done) return Forward(done);
  if (db_.Changes() == 0)
    return Refused(fmt::format("more than {} events of one VM", limits_.event_rows_per_vm));
  if (auto done = Insert(row); !done) return Forward(done);
  return kAddedRecord;
}

Result<ImportedRecord> LedgerImport::TakeLoss(const LedgerRecord& record) {
  const std::string* incarnation = session_.Incarnation(record.Text("incarnation"));
  if (incarnation == nullptr)
    return Refused("no line before it tells of incarnation " + record.Text("incarnation"));
  const std::int64_t* page = session_.Page(record.Number("page"));
  if (page == nullptr)
    return Refused(fmt::format("no line before it tells of page {}", record.Number("page")));
  Query known(db_,
              "SELECT count(*) FROM loss WHERE page = ? AND boot = ? AND gpa = ? AND pid = ? "
              "AND wall_ns = ?",
              *page, record.Text("boot"), record.Number("gpa"), record.Number("pid"),
              record.Number("heard_unix_ns"));
  const auto rows = known.Number();
  if (!rows) return tl::unexpected<Error>(rows.error());
  if (*rows > 0) return kKnownRecord;
  const auto of_vm = Count(
      "SELECT count(*) FROM loss l JOIN incarnation i ON i.id = l.incarnation WHERE i.vm = "
      "(SELECT vm FROM incarnation WHERE id = ?)",
      *incarnation);
  if (!of_vm) return tl::unexpected<Error>(of_vm.error());
  if (*of_vm >= limits_.loss_rows_per_vm)
    return Refused(fmt::format("more than {} losses of one VM", limits_.loss_rows_per_vm));
  LedgerRecord row = record;
  Set(row, "id", std::monostate());
  Set(row, "incarnation", *incarnation);
  Set(row, "page", *page);
  if (auto done = Insert(row); !done) return Forward(done);
  return kAddedRecord;
}

Result<ImportedRecord> LedgerImport::TakeAudit(const LedgerRecord& record) {
  Query known(db_,
              "SELECT count(*) FROM audit WHERE wall_ns = ? AND action = ? AND uid = ? "
              "AND pid = ? AND reason = ?",
              record.Number("when_unix_ns"), record.Text("action"), record.Number("uid"),
              record.Number("pid"), record.Text("reason"));
  const auto rows = known.Number();
  if (!rows) return tl::unexpected<Error>(rows.error());
  if (*rows > 0) return kKnownRecord;
  LedgerRecord row = record;
  Set(row, "id", std::monostate());
  if (auto done = Insert(row); !done) return Forward(done);
  return kAddedRecord;
}

}  // namespace seaward::ledger
