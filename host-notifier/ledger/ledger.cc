#include "host-notifier/ledger/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/mutants.h"
#include "host-notifier/ledger/alarm_table.h"
#include "host-notifier/ledger/ledger_file.h"
#include "host-notifier/ledger/page_table.h"
#include "host-notifier/ledger/verdict_table.h"

namespace seaward::ledger {
namespace {

using protocol::Evidence;
using protocol::PoisonEntry;
using protocol::VerdictRecord;

}  // namespace

Ledger::Ledger(LedgerFile file, std::string path, const Uuid& host_boot, const Clock& clock,
               const LedgerLimits& limits, LedgerProbe* probe)
    : path_(std::move(path)),
      lock_(std::move(file.lock)),
      db_(std::move(file.database)),
      host_boot_(host_boot),
      clock_(clock),
      limits_(limits),
      probe_(probe == nullptr ? silent_ : *probe) {}

IncarnationTable Ledger::Incarnations() {
  return {db_, host_boot_, clock_.WallNow(), limits_, probe_};
}

Result<Ledger::Opened> Ledger::Open(const std::string& path, const Uuid& host_boot,
                                    const Clock& clock, const LedgerLimits& limits,
                                    LedgerProbe* probe) {
  auto file = OpenLedgerFile(path, clock.WallNow());
  if (!file) return Forward(file);
  Opened opened;
  opened.set_aside = std::move(file->set_aside);
  opened.why = std::move(file->why);
  opened.ledger.reset(new Ledger(std::move(*file), path, host_boot, clock, limits, probe));
  Ledger& ledger = *opened.ledger;
  auto done = ledger.InOneCommit(WriteOperation::kOpen, [&]() -> Status {
    if (opened.set_aside)
      if (auto noted = ledger.NoteRebuild(*opened.set_aside, opened.why); !noted) return noted;
    return ledger.Incarnations().EndOtherHostBoots();
  });
  if (!done) return Forward(done);
  return opened;
}

Status Ledger::Together(const std::function<Status()>& work) {
  auto transaction = Transaction::Begin(db_);
  if (!transaction) return Forward(transaction);
  together_ = true;
  const Status done = work();
  together_ = false;
  return done ? transaction->Commit() : done;
}

Status Ledger::InOneCommit(WriteOperation operation, const std::function<Status()>& work) {
  // What a full disk rolled back as a whole must not go on as commits of their own.
  if (together_ && !db_.InTransaction())
    return Fail(ErrorCode::kIo, "ledger: the common commit was rolled back");
  auto transaction = Transaction::Begin(db_);
  if (!transaction) return Forward(transaction);
  probe_.Reached(operation, CommitMoment::kBegun);
  if (auto done = work(); !done) return done;
  if (Lives(Mutant::kSkipCommit) && operation == WriteOperation::kRecordEvent) return {};
  probe_.Reached(operation, CommitMoment::kWorked);
  if (auto done = transaction->Commit(); !done) return done;
  if (!together_) probe_.Reached(operation, CommitMoment::kCommitted);
  return {};
}

Result<std::uint64_t> Ledger::ReservePageIds(std::uint32_t count) {
  std::uint64_t first = 0;
  auto done = InOneCommit(WriteOperation::kReservePageIds, [&]() -> Status {
    Query last(db_, "SELECT seq FROM sqlite_sequence WHERE name = 'page'");
    const auto used = last.Next();
    if (!used) return tl::unexpected<Error>(used.error());
    first = (*used ? last.Unsigned(0) : 0) + 1;
    const char* sql = *used ? "UPDATE sqlite_sequence SET seq = ? WHERE name = 'page'"
                            : "INSERT INTO sqlite_sequence(seq, name) VALUES(?, 'page')";
    return Query(db_, sql, first + count - 1).Run();
  });
  if (!done) return Forward(done);
  return first;
}

Result<RecordedEvent> Ledger::RecordEvent(const Uuid& incarnation, const PoisonEvent& event,
                                          std::optional<PageFrame> host_frame,
                                          std::optional<std::uint64_t> page_id) {
  RecordedEvent recorded;
  auto done = InOneCommit(WriteOperation::kRecordEvent, [&]() -> Status {
    auto page = PageTable(db_, View(), limits_).Record(incarnation, event, host_frame, page_id);
    if (!page) return Forward(page);
    recorded = *page;
    const auto id = recorded.entry ? std::optional(recorded.entry->id) : std::nullopt;
    if (auto inserted = InsertEvent(incarnation, event, id); !inserted) return inserted;
    return PruneEvents(incarnation);
  });
  if (!done) return Forward(done);
  return recorded;
}

Status Ledger::InsertEvent(const Uuid& incarnation, const PoisonEvent& event,
                           std::optional<std::uint64_t> page) {
  const auto& place = event.suspect ? event.suspect : event.range;
  const auto gpa = place ? std::optional(place->start().value) : std::nullopt;
  const auto length = place ? std::optional(place->length()) : std::nullopt;
  const auto gva = event.gva ? std::optional(event.gva->value) : std::nullopt;
  return Query(db_,
               "INSERT INTO event(incarnation, page, source, location, access, severity, evidence, "
               "gpa, length, gva, flags, esr, raw_gva, raw_gpa, hva, vcpu, count, mono_ns, "
               "wall_ns) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
               incarnation, page, ToString(event.source), ToString(event.location),
               ToString(event.access), ToString(event.severity), ToString(event.evidence), gpa,
               length, gva, event.flags, event.esr, event.raw_gva, event.raw_gpa, event.hva.value,
               event.vcpu, event.count, Ns(event.when), Ns(event.wall))
      .Run();
}

Status Ledger::PruneEvents(const Uuid& incarnation) {
  Query counted(db_,
                "UPDATE vm SET event_rows = event_rows + 1 WHERE uuid = (SELECT vm FROM "
                "incarnation WHERE id = ?) RETURNING event_rows",
                incarnation);
  const auto rows = counted.Number();
  if (!rows) return tl::unexpected<Error>(rows.error());
  if (*rows <= limits_.event_rows_per_vm) return {};
  Query prune(db_,
              "DELETE FROM event WHERE id IN (SELECT e.id FROM event e JOIN incarnation i ON i.id "
              "= e.incarnation WHERE i.vm = (SELECT vm FROM incarnation WHERE id = ?1) "
              "ORDER BY e.id LIMIT ?2)",
              incarnation, limits_.event_prune_lot);
  if (auto done = prune.Run(); !done) return done;
  const int deleted = db_.Changes();
  return Query(db_,
               "UPDATE vm SET event_rows = event_rows - ?2, events_pruned = events_pruned + ?2 "
               "WHERE uuid = (SELECT vm FROM incarnation WHERE id = ?1)",
               incarnation, deleted)
      .Run();
}

Result<RecordedVerdict> Ledger::RecordVerdict(const Uuid& incarnation, const Uuid& boot,
                                              const VerdictRecord& record, MonoTime received) {
  RecordedVerdict recorded;
  auto done = InOneCommit(WriteOperation::kRecordVerdict, [&]() -> Status {
    auto life = View().Incarnation(incarnation);
    if (!life) return Forward(life);
    if (!*life || (*life)->boot != boot)
      return Fail(ErrorCode::kInvalid, "a verdict of another boot: " + FormatUuid(boot));
    auto page = View().Page(record.id);
    if (!page && page.error().code != ErrorCode::kNotFound) return Forward(page);
    if (!page || page->incarnation != incarnation || !page->range.Overlaps(record.range))
      return Fail(ErrorCode::kInvalid,
                  fmt::format("a verdict on entry {} at {}: not this VM's", record.id,
                              FormatAddress(record.range.start().value)));
    VerdictTable verdicts(db_, clock_.WallNow(), limits_, probe_);
    if (auto stored = verdicts.Store(*page, **life, record, received); !stored) return stored;
    if (auto settled = verdicts.Settle(*page, **life, received); !settled) return settled;
    const bool was_exposed = !page->exposure;
    page = View().Page(record.id);
    if (!page) return Forward(page);
    recorded = {std::move(*page), was_exposed && page->exposure.has_value()};
    return {};
  });
  if (!done) return Forward(done);
  return recorded;
}

Result<OpenedIncarnation> Ledger::BeginIncarnation(const VmIdentity& vm, const ProcessIdentity& vmm,
                                                   Backing backing) {
  OpenedIncarnation opened;
  auto done = InOneCommit(WriteOperation::kBeginIncarnation, [&]() -> Status {
    IncarnationTable table = Incarnations();
    if (auto known = table.RememberVm(vm); !known) return known;
    auto id = table.Continue(vm.uuid, vmm);
    if (!id) return Forward(id);
    opened.is_new = !*id;
    if (opened.is_new) {
      auto fresh = table.Insert(vm.uuid, vmm);
      if (!fresh) return Forward(fresh);
      *id = *fresh;
    }
    opened.id = **id;
    if (auto ended = table.EndOthers(vm.uuid, opened.id); !ended) return ended;
    if (opened.is_new && backing == Backing::kFixed)
      if (auto carried = table.CarryPages(vm.uuid, opened.id); !carried) return carried;
    return table.DropOld(vm.uuid);
  });
  if (!done) return Forward(done);
  return opened;
}

Status Ledger::EndIncarnation(const Uuid& incarnation) {
  return InOneCommit(WriteOperation::kEndIncarnation,
                     [&] { return Incarnations().End(incarnation); });
}

Result<bool> Ledger::BeginBoot(const Uuid& incarnation, const Uuid& boot) {
  Result<bool> is_new = false;
  auto done = InOneCommit(WriteOperation::kBeginBoot, [&]() -> Status {
    is_new = Incarnations().BeginBoot(incarnation, boot);
    if (!is_new) return Forward(is_new);
    return {};
  });
  if (!done) return Forward(done);
  return is_new;
}

Status Ledger::RecordDelivered(std::span<const std::uint64_t> pages) {
  return InOneCommit(WriteOperation::kRecordDelivered, [&]() -> Status {
    for (const std::uint64_t id : pages) {
      auto page = View().Page(id);
      if (!page) return Forward(page);
      if (auto moved = MoveOne(*page, PageEvent::kDelivered); !moved) return Forward(moved);
    }
    return {};
  });
}

Result<bool> Ledger::MoveOne(const PageRow& page, PageEvent event) {
  const auto next = Advance(page.life, event);
  if (!next || *next == page.life) return false;
  Query update(db_,
               "UPDATE page SET life = ?2, ended_wall_ns = CASE WHEN ?3 THEN ?4 END WHERE id = ?1",
               page.id, ToString(*next), !IsWanted(*next), Ns(clock_.WallNow()));
  if (auto done = update.Run(); !done) return Forward(done);
  probe_.Moved(page.life, event);
  return true;
}

Result<PageRow> Ledger::RecordHeal(std::uint64_t page, HealState state, std::string_view reason) {
  Result<PageRow> row = PageRow{};
  auto done = InOneCommit(WriteOperation::kRecordHeal, [&]() -> Status {
    row = View().Page(page);
    if (!row) return Forward(row);
    Query update(db_, "UPDATE page SET heal = ?, heal_reason = ? WHERE id = ?", ToString(state),
                 reason, page);
    if (auto updated = update.Run(); !updated) return updated;
    if (state == HealState::kHealed)
      if (auto moved = MoveOne(*row, PageEvent::kClear); !moved) return Forward(moved);
    row = View().Page(page);
    if (!row) return Forward(row);
    return {};
  });
  if (!done) return Forward(done);
  return row;
}

Result<std::optional<AlarmRow>> Ledger::RecordAlarm(const VmIdentity& vm, AlarmKind kind,
                                                    bool raised) {
  Result<std::optional<AlarmRow>> row = std::optional<AlarmRow>();
  auto done = InOneCommit(WriteOperation::kRecordAlarm, [&]() -> Status {
    row = AlarmTable(db_, clock_.WallNow(), limits_).Store(vm, kind, raised);
    if (!row) return Forward(row);
    return {};
  });
  if (!done) return Forward(done);
  return row;
}

Status Ledger::RecordHostRetirement(std::uint64_t page, HostRetired state, int host_errno) {
  return InOneCommit(WriteOperation::kRecordHostRetirement, [&]() -> Status {
    Query update(db_, "UPDATE page SET host_retired = ?, host_errno = ? WHERE id = ?",
                 ToString(state), host_errno, page);
    if (auto done = update.Run(); !done) return done;
    if (db_.Changes() == 0)
      return Fail(ErrorCode::kInvalid, fmt::format("no page has the id {}", page));
    return {};
  });
}

}  // namespace seaward::ledger
