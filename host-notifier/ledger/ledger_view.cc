#include "host-notifier/ledger/ledger_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "host-notifier/ledger/stored_words.h"

namespace seaward::ledger {
namespace {

using protocol::Evidence;
using protocol::ListResult;
using protocol::Outcome;
using protocol::PageKind;
using protocol::PoisonEntry;
using protocol::Stage;
using std::chrono::nanoseconds;

// In the order that PageOf reads.
#define SEAWARD_PAGE_COLUMNS                                                                  \
  "p.id, v.uuid, v.name, p.incarnation, p.gpa, p.length, p.evidence, p.life, p.event_count, " \
  "p.first_wall_ns, p.last_wall_ns, p.first_boots < i.boots, p.host_frame, p.host_retired, "  \
  "p.host_errno, p.outcome, p.kind, p.stage, p.sys_errno, p.exposure_ns, p.located_by, "      \
  "p.host_address, p.heal, p.heal_reason, p.protected_by "                                    \
  "FROM page p JOIN incarnation i ON i.id = p.incarnation JOIN vm v ON v.uuid = i.vm "

// In the order that IncarnationOf reads.
#define SEAWARD_INCARNATION_COLUMNS                                                       \
  "i.id, v.uuid, v.name, i.pid, i.start_time, i.began_wall_ns, i.ended_wall_ns, i.boot, " \
  "i.boots, EXISTS(SELECT 1 FROM recall WHERE incarnation = i.id), i.list_result, "       \
  "i.list_boots, i.listed_pages, i.list_protected_pages "                                 \
  "FROM incarnation i JOIN vm v ON v.uuid = i.vm "

WallTime Wall(std::int64_t ns) {
  return WallTime(nanoseconds(ns));
}

// A range that no version writes can only come from a damaged file; a granule keeps it visible.
ByteRange RangeOf(const Query& q, int column) {
  const GuestPhysAddr start{q.Unsigned(column)};
  const auto range = ByteRange::Make(start, q.Unsigned(column + 1));
  return range ? *range : ByteRange::Granule(start);
}

std::optional<Protection> ProtectorIn(const Query& q, int column) {
  if (q.IsNull(column)) return std::nullopt;
  return FromWord<Protection>(q.Text(column), kAllProtections, Protection::kRun);
}

PageRow PageOf(const Query& q) {
  PageRow page;
  page.id = q.Unsigned(0);
  page.vm = {q.Id(1), q.Text(2)};
  page.incarnation = q.Id(3);
  page.range = RangeOf(q, 4);
  page.evidence = FromWord<Evidence>(q.Text(6), kAllEvidence, Evidence::kConsumed);
  page.life = FromWord<PageLife>(q.Text(7), kAllPageLives, PageLife::kToReplay);
  page.event_count = q.Unsigned(8);
  page.first_seen = Wall(q.Signed(9));
  page.last_seen = Wall(q.Signed(10));
  page.replay = q.Signed(11) != 0;
  if (!q.IsNull(12)) page.host_frame = PageFrame{q.Unsigned(12)};
  page.host_retired = FromWord<HostRetired>(q.Text(13), kAllHostRetired, HostRetired::kNo);
  page.host_errno = static_cast<int>(q.Signed(14));
  if (!q.IsNull(15)) page.outcome = FromWord<Outcome>(q.Text(15), kAllOutcomes, Outcome::kFailed);
  page.kind = FromWord<PageKind>(q.Text(16), kAllPageKinds, PageKind::kUnknown);
  if (!q.IsNull(17)) page.stage = FromWord<Stage>(q.Text(17), kAllStages, Stage::kRun);
  page.sys_errno = static_cast<int>(q.Signed(18));
  if (!q.IsNull(19)) page.exposure = nanoseconds(q.Signed(19));
  page.located_by = FromWord<LocatedBy>(q.Text(20), kAllLocatedBy, LocatedBy::kGpa);
  if (!q.IsNull(21)) page.host_address = HostVirtAddr{q.Unsigned(21)};
  page.heal = FromWord<HealState>(q.Text(22), kAllHealStates, HealState::kNo);
  page.heal_reason = q.Text(23);
  page.protected_by = ProtectorIn(q, 24);
  return page;
}

IncarnationRow IncarnationOf(const Query& q) {
  IncarnationRow row;
  row.id = q.Id(0);
  row.vm = {q.Id(1), q.Text(2)};
  row.vmm = {static_cast<pid_t>(q.Signed(3)), q.Unsigned(4)};
  row.began = Wall(q.Signed(5));
  if (!q.IsNull(6)) row.ended = Wall(q.Signed(6));
  if (!q.IsNull(7)) row.boot = q.Id(7);
  row.boots = static_cast<std::uint32_t>(q.Unsigned(8));
  row.recall_due = q.Signed(9) != 0;
  if (!q.IsNull(10))
    row.boot_list = {FromWord<ListResult>(q.Text(10), kAllListResults, ListResult::kBadList),
                     static_cast<std::uint16_t>(q.Unsigned(11)),
                     static_cast<std::uint32_t>(q.Unsigned(12)),
                     static_cast<std::uint32_t>(q.Unsigned(13))};
  return row;
}

AlarmRow AlarmOf(const Query& q) {
  return {q.Unsigned(0),
          {q.Id(1), q.Text(2)},
          FromWord<AlarmKind>(q.Text(3), kAllAlarmKinds, AlarmKind::kUnattached),
          q.Signed(4) != 0,
          Wall(q.Signed(5))};
}

PageCount PageCountOf(const Query& q) {
  PageCount count;
  count.vm = q.Id(0);
  count.life = FromWord<PageLife>(q.Text(1), kAllPageLives, PageLife::kToReplay);
  const auto now = ProtectionNow(count.life, ProtectorIn(q, 2));
  count.protection = now.value_or(Protection::kPending);  // only wanted ones are counted
  if (!q.IsNull(3)) count.outcome = FromWord<Outcome>(q.Text(3), kAllOutcomes, Outcome::kFailed);
  count.kind = FromWord<PageKind>(q.Text(4), kAllPageKinds, PageKind::kUnknown);
  count.pages = q.Unsigned(5);
  count.oldest = Wall(q.Signed(6));
  return count;
}

LossRow LossOf(const Query& q) {
  LossRow row;
  row.id = q.Unsigned(0);
  row.vm = {q.Id(1), q.Text(2)};
  row.incarnation = q.Id(3);
  row.page = q.Unsigned(4);
  row.boot = q.Id(5);
  row.range = RangeOf(q, 6);
  row.lost_bytes = q.Unsigned(8);
  row.pid = static_cast<std::uint32_t>(q.Unsigned(9));
  row.comm = q.Text(10);
  row.cgroup = q.Text(11);
  row.when = Wall(q.Signed(12));
  return row;
}

EventRow EventOf(const Query& q) {
  EventRow row;
  row.id = q.Unsigned(0);
  row.vm = {q.Id(1), q.Text(2)};
  row.incarnation = q.Id(3);
  if (!q.IsNull(4)) row.page = q.Unsigned(4);
  PoisonEvent& event = row.event;
  event.source = FromWord<Source>(q.Text(5), kAllSources, Source::kExit);
  event.location = FromWord<Location>(q.Text(6), kAllLocations, Location::kUnlocated);
  event.access = FromWord<Access>(q.Text(7), kAllAccesses, Access::kUnknown);
  event.severity = FromWord<Severity>(q.Text(8), kAllSeverities, Severity::kUnknown);
  event.evidence = FromWord<Evidence>(q.Text(9), kAllEvidence, Evidence::kConsumed);
  auto& place = event.location == Location::kSuspected ? event.suspect : event.range;
  if (!q.IsNull(10)) place = RangeOf(q, 10);
  if (!q.IsNull(12)) event.gva = GuestVirtAddr{q.Unsigned(12)};
  event.flags = q.Unsigned(13);
  event.esr = q.Unsigned(14);
  event.raw_gva = q.Unsigned(15);
  event.raw_gpa = q.Unsigned(16);
  event.hva = HostVirtAddr{q.Unsigned(17)};
  event.vcpu = static_cast<std::uint32_t>(q.Unsigned(18));
  event.count = static_cast<std::uint32_t>(q.Unsigned(19));
  event.when = MonoTime(nanoseconds(q.Signed(20)));
  event.wall = Wall(q.Signed(21));
  return row;
}

// Every row of `q` through `row_of`.
template <class Row>
Result<std::vector<Row>> Collect(Query& q, Row (*row_of)(const Query&)) {
  std::vector<Row> rows;
  for (;;) {
    const Result<bool> more = q.Next();
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) return rows;
    rows.push_back(row_of(q));
  }
}

// The only row of `q`, or none.
template <class Row>
Result<std::optional<Row>> First(Query& q, Row (*row_of)(const Query&)) {
  const Result<bool> found = q.Next();
  if (!found) return tl::unexpected<Error>(found.error());
  if (!*found) return std::optional<Row>();
  return std::optional<Row>(row_of(q));
}

AuditRow AuditOf(const Query& q) {
  AuditRow row;
  row.id = q.Unsigned(0);
  row.when = Wall(q.Signed(1));
  row.action = FromWord<OperatorAction>(q.Text(2), kAllOperatorActions, OperatorAction::kClear);
  row.uid = static_cast<uid_t>(q.Unsigned(3));
  row.pid = static_cast<pid_t>(q.Signed(4));
  row.who = q.Text(5);
  if (!q.IsNull(6)) row.vm = q.Id(6);
  if (!q.IsNull(7)) row.range = RangeOf(q, 7);
  row.pages = q.Unsigned(9);
  row.reason = q.Text(10);
  return row;
}

RebuildRow RebuildOf(const Query& q) {
  return {Wall(q.Signed(0)), q.Text(1), q.Text(2), q.Unsigned(3), q.Unsigned(4)};
}

VmRow VmOf(const Query& q) {
  return {{q.Id(0), q.Text(1)}, q.Unsigned(2)};
}

PendingFrame PendingFrameOf(const Query& q) {
  return {q.Unsigned(0),
          {q.Id(1), q.Text(2)},
          q.Id(3),
          PageFrame{q.Unsigned(4)},
          FromWord<PageLife>(q.Text(5), kAllPageLives, PageLife::kReported),
          q.Signed(6) != 0};
}

}  // namespace

Result<std::optional<VmRow>> LedgerView::FindVm(std::string_view name_or_uuid) {
  const Result<Uuid> uuid = ParseUuid(name_or_uuid);
  if (uuid) {
    Query q(db_, "SELECT uuid, name, events_pruned FROM vm WHERE uuid = ?", *uuid);
    return First<VmRow>(q, VmOf);
  }
  Query q(db_,
          "SELECT uuid, name, events_pruned FROM vm WHERE name = ? ORDER BY (SELECT "
          "max(began_wall_ns) FROM incarnation WHERE vm = vm.uuid) DESC LIMIT 1",
          name_or_uuid);
  return First<VmRow>(q, VmOf);
}

Result<std::vector<VmRow>> LedgerView::Vms() {
  Query q(db_, "SELECT uuid, name, events_pruned FROM vm ORDER BY name, uuid");
  return Collect<VmRow>(q, VmOf);
}

Result<std::vector<IncarnationRow>> LedgerView::OpenIncarnations() {
  Query q(db_, "SELECT " SEAWARD_INCARNATION_COLUMNS
               "WHERE i.ended_wall_ns IS NULL ORDER BY i.began_wall_ns");
  return Collect<IncarnationRow>(q, IncarnationOf);
}

Result<std::optional<IncarnationRow>> LedgerView::Incarnation(const Uuid& id) {
  Query q(db_, "SELECT " SEAWARD_INCARNATION_COLUMNS "WHERE i.id = ?", id);
  return First<IncarnationRow>(q, IncarnationOf);
}

Result<std::vector<PoisonEntry>> LedgerView::WantedPages(const Uuid& incarnation) {
  Query q(db_,
          "SELECT " SEAWARD_PAGE_COLUMNS
          "WHERE p.incarnation = ? AND p.life NOT IN ('cleared', 'closed') ORDER BY p.id",
          incarnation);
  return Collect<PoisonEntry>(q, [](const Query& row) { return PageOf(row).Entry(); });
}

Result<PageRow> LedgerView::Page(std::uint64_t id) {
  Query q(db_, "SELECT " SEAWARD_PAGE_COLUMNS "WHERE p.id = ?", id);
  auto page = First<PageRow>(q, PageOf);
  if (!page) return Forward(page);
  if (!*page) return Fail(ErrorCode::kNotFound, fmt::format("no page has the id {}", id));
  return **page;
}

Result<std::vector<PageRow>> LedgerView::Pages(const PageFilter& filter) {
  // Two texts: with "or" in one, SQLite reads every page of the host for one VM's.
  Query q(db_,
          filter.vm ? "SELECT " SEAWARD_PAGE_COLUMNS
                      "WHERE i.vm = ?1 AND (?2 OR p.life NOT IN ('cleared', 'closed')) "
                      "ORDER BY p.id LIMIT ?3"
                    : "SELECT " SEAWARD_PAGE_COLUMNS
                      "WHERE ?1 IS NULL AND (?2 OR p.life NOT IN ('cleared', 'closed')) "
                      "ORDER BY p.id LIMIT ?3",
          filter.vm, filter.with_closed, filter.limit);
  return Collect<PageRow>(q, PageOf);
}

Result<std::vector<EventRow>> LedgerView::Events(const EventFilter& filter) {
  Query q(db_,
          "SELECT e.id, v.uuid, v.name, e.incarnation, e.page, e.source, e.location, e.access, "
          "e.severity, e.evidence, e.gpa, e.length, e.gva, e.flags, e.esr, e.raw_gva, "
          "e.raw_gpa, e.hva, e.vcpu, e.count, e.mono_ns, e.wall_ns FROM event e JOIN incarnation i "
          "ON i.id = e.incarnation "
          "JOIN vm v ON v.uuid = i.vm WHERE (?1 IS NULL OR i.vm = ?1) AND e.id > ?2 "
          "ORDER BY CASE WHEN ?2 > 0 THEN e.id ELSE -e.id END LIMIT ?3",
          filter.vm, filter.after_id, filter.limit);
  auto rows = Collect<EventRow>(q, EventOf);
  if (rows && filter.after_id == 0) std::ranges::reverse(*rows);
  return rows;
}

Result<std::vector<AlarmRow>> LedgerView::Alarms(const std::optional<Uuid>& vm,
                                                 std::uint32_t limit) {
  Query q(db_,
          "SELECT a.id, v.uuid, v.name, a.kind, a.raised, a.wall_ns FROM alarm a "
          "JOIN vm v ON v.uuid = a.vm WHERE (?1 IS NULL OR a.vm = ?1) ORDER BY a.id DESC LIMIT ?2",
          vm, limit);
  auto rows = Collect<AlarmRow>(q, AlarmOf);
  if (rows) std::ranges::reverse(*rows);
  return rows;
}

Result<std::vector<PageRow>> LedgerView::PagesInside(const Uuid& incarnation,
                                                     const ByteRange& range) {
  Query q(db_,
          "SELECT " SEAWARD_PAGE_COLUMNS
          "WHERE p.incarnation = ?1 AND p.gpa >= ?2 AND p.gpa + p.length <= ?2 + ?3 "
          "AND p.life NOT IN ('cleared', 'closed') ORDER BY p.id",
          incarnation, range.start().value, range.length());
  return Collect<PageRow>(q, PageOf);
}

Result<std::vector<AuditRow>> LedgerView::Audit(std::uint32_t limit) {
  Query q(db_,
          "SELECT id, wall_ns, action, uid, pid, who, vm, gpa, length, pages, reason FROM audit "
          "ORDER BY id DESC LIMIT ?",
          limit);
  auto rows = Collect<AuditRow>(q, AuditOf);
  if (rows) std::ranges::reverse(*rows);
  return rows;
}

Result<std::optional<RebuildRow>> LedgerView::Rebuild() {
  Query q(db_,
          "SELECT wall_ns, set_aside, why, pages, (SELECT count(*) FROM recall r JOIN "
          "incarnation i ON i.id = r.incarnation WHERE i.ended_wall_ns IS NULL) FROM rebuild ORDER "
          "BY id DESC LIMIT 1");
  return First<RebuildRow>(q, RebuildOf);
}

Result<UnhealedMemory> LedgerView::Unhealed(const Uuid& incarnation) {
  Query pages(db_,
              "SELECT count(*), total(length) FROM page WHERE incarnation = ? "
              "AND life NOT IN ('cleared', 'closed') AND evidence <> 'predicted'",
              incarnation);
  const auto counted = pages.Next();
  if (!counted) return tl::unexpected<Error>(counted.error());
  Query events(db_,
               "SELECT count(*) FROM (SELECT 1 FROM event WHERE incarnation = ? AND page IS NULL "
               "AND evidence <> 'predicted' LIMIT ?)",
               incarnation, kMostPlaceless);
  const auto listed = events.Next();
  if (!listed) return tl::unexpected<Error>(listed.error());
  return UnhealedMemory{pages.Unsigned(0), pages.Unsigned(1), events.Unsigned(0)};
}

Result<std::vector<PageCount>> LedgerView::CountPages(const std::optional<Uuid>& vm) {
#define SEAWARD_COUNT_PAGES                                                                 \
  "SELECT i.vm, p.life, p.protected_by, p.outcome, p.kind, count(*), min(p.first_wall_ns) " \
  "FROM incarnation i JOIN page p ON p.incarnation = i.id WHERE i.ended_wall_ns IS NULL "   \
  "AND p.life NOT IN ('cleared', 'closed') "
#define SEAWARD_GROUP_PAGES                                   \
  "GROUP BY i.vm, p.life, p.protected_by, p.outcome, p.kind " \
  "ORDER BY i.vm, p.life, p.protected_by, p.outcome, p.kind"
  Query q(db_,
          vm ? SEAWARD_COUNT_PAGES "AND i.vm = ?1 " SEAWARD_GROUP_PAGES
             : SEAWARD_COUNT_PAGES "AND ?1 IS NULL " SEAWARD_GROUP_PAGES,
          vm);
  return Collect<PageCount>(q, PageCountOf);
}

Result<std::vector<LossRow>> LedgerView::Losses(const Uuid& vm, std::uint32_t limit) {
  Query q(db_,
          "SELECT l.id, v.uuid, v.name, l.incarnation, l.page, l.boot, l.gpa, l.length, "
          "l.lost_bytes, l.pid, l.comm, l.cgroup, l.wall_ns FROM vm v JOIN incarnation i "
          "ON i.vm = v.uuid JOIN loss l ON l.incarnation = i.id WHERE v.uuid = ? "
          "ORDER BY l.id DESC LIMIT ?",
          vm, limit);
  auto rows = Collect<LossRow>(q, LossOf);
  if (rows) std::ranges::reverse(*rows);
  return rows;
}

Result<std::optional<ByteRange>> LedgerView::RangeOnFrame(const Uuid& incarnation,
                                                          PageFrame frame) {
  Query q(db_,
          "SELECT gpa, length FROM page WHERE incarnation = ? AND host_frame = ? AND length = ? "
          "AND life NOT IN ('cleared', 'closed') ORDER BY id DESC LIMIT 1",
          incarnation, frame.number, kPoisonGranule);
  return First<ByteRange>(q, [](const Query& row) { return RangeOf(row, 0); });
}

Result<std::vector<PageFrame>> LedgerView::TriedFrames() {
  Query q(db_,
          "SELECT DISTINCT p.host_frame FROM page p JOIN incarnation i ON i.id = p.incarnation "
          "WHERE p.host_frame IS NOT NULL AND p.host_retired IN ('yes', 'refused') "
          "AND i.host_boot = ?",
          host_boot_);
  return Collect<PageFrame>(q, [](const Query& row) { return PageFrame{row.Unsigned(0)}; });
}

Result<std::vector<PendingFrame>> LedgerView::PendingHostRetirements() {
  Query q(db_,
          "SELECT p.id, v.uuid, v.name, p.incarnation, p.host_frame, p.life, "
          "i.ended_wall_ns IS NOT NULL FROM page p JOIN incarnation i ON i.id = p.incarnation "
          "JOIN vm v ON v.uuid = i.vm WHERE p.host_retired = 'pending' AND i.host_boot = ? "
          "ORDER BY p.id",
          host_boot_);
  return Collect<PendingFrame>(q, PendingFrameOf);
}

}  // namespace seaward::ledger
