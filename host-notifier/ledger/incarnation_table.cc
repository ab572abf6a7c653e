#include "host-notifier/ledger/incarnation_table.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "host-notifier/ledger/incarnation_name.h"

namespace seaward::ledger {
namespace {

Result<std::vector<Uuid>> Ids(Query& q) {
  std::vector<Uuid> ids;
  for (;;) {
    const Result<bool> more = q.Next();
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) return ids;
    ids.push_back(q.Id(0));
  }
}

// On the clock of the events: ticks count from the boot, as CLOCK_MONOTONIC does on a host that is
// never suspended.
std::int64_t StartedNs(const ProcessIdentity& process) {
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max() / 1'000'000'000;
  const std::uint64_t seconds = std::min(process.start_ticks / per_second, kMost);
  return static_cast<std::int64_t>(seconds) * 1'000'000'000;
}

}  // namespace

Status IncarnationTable::RememberVm(const VmIdentity& vm) {
  return Query(db_,
               "INSERT INTO vm(uuid, name) VALUES(?, ?) "
               "ON CONFLICT(uuid) DO UPDATE SET name = excluded.name",
               vm.uuid, vm.name)
      .Run();
}

Result<std::optional<Uuid>> IncarnationTable::Continue(const Uuid& vm, const ProcessIdentity& vmm) {
  Query find(db_,
             "SELECT id, ended_wall_ns IS NOT NULL FROM incarnation "
             "WHERE vm = ? AND pid = ? AND start_time = ? AND host_boot = ?",
             vm, static_cast<std::int64_t>(vmm.pid), vmm.start_ticks, host_boot_);
  const Result<bool> found = find.Next();
  if (!found) return tl::unexpected<Error>(found.error());
  if (!*found) return std::optional<Uuid>();
  const Uuid id = find.Id(0);
  if (find.Signed(1) == 0) return std::optional<Uuid>(id);
  Query reopen(db_, "UPDATE incarnation SET ended_wall_ns = NULL WHERE id = ?", id);
  if (auto done = reopen.Run(); !done) return Forward(done);
  if (auto done = Apply(id, PageEvent::kIncarnationContinues, std::nullopt); !done)
    return Forward(done);
  return std::optional<Uuid>(id);
}

Result<Uuid> IncarnationTable::Insert(const Uuid& vm, const ProcessIdentity& vmm) {
  const Uuid id = NameIncarnation(vm, host_boot_, vmm);
  Query insert(db_,
               "INSERT INTO incarnation(id, vm, host_boot, pid, start_time, began_wall_ns) "
               "VALUES(?, ?, ?, ?, ?, ?)",
               id, vm, host_boot_, static_cast<std::int64_t>(vmm.pid), vmm.start_ticks, Ns(now_));
  if (auto done = insert.Run(); !done) return Forward(done);
  Query recall(db_,
               "INSERT INTO recall(incarnation) SELECT ?1 WHERE EXISTS(SELECT 1 FROM rebuild "
               "WHERE host_boot = ?2 AND mono_ns >= ?3)",
               id, host_boot_, StartedNs(vmm));
  if (auto done = recall.Run(); !done) return Forward(done);
  return id;
}

Status IncarnationTable::End(const Uuid& incarnation) {
  Query end(db_, "UPDATE incarnation SET ended_wall_ns = ? WHERE id = ? AND ended_wall_ns IS NULL",
            Ns(now_), incarnation);
  if (auto done = end.Run(); !done) return done;
  return Apply(incarnation, PageEvent::kIncarnationEnds, std::nullopt);
}

Status IncarnationTable::EndOthers(const Uuid& vm, const Uuid& except) {
  Query open(db_, "SELECT id FROM incarnation WHERE vm = ? AND id <> ? AND ended_wall_ns IS NULL",
             vm, except);
  auto ids = Ids(open);
  if (!ids) return Forward(ids);
  for (const Uuid& id : *ids)
    if (auto done = End(id); !done) return done;
  return {};
}

Status IncarnationTable::CarryPages(const Uuid& vm, const Uuid& to) {
  // A frame's number is worth nothing in another host boot, an address nothing in another process.
  return Query(
             db_,
             "INSERT INTO page(incarnation, gpa, length, evidence, life, event_count, "
             "first_mono_ns, first_wall_ns, last_wall_ns, first_boots, host_frame, host_retired, "
             "exposure_ns, located_by) SELECT ?2, p.gpa, p.length, p.evidence, ?3, p.event_count, "
             "p.first_mono_ns, p.first_wall_ns, p.last_wall_ns, 0, iif(i.host_boot = ?4, "
             "p.host_frame, NULL), iif(i.host_boot = ?4, p.host_retired, ?5), p.exposure_ns, "
             "p.located_by FROM page p JOIN incarnation i ON i.id = p.incarnation WHERE p.life = "
             "?6 AND i.id = (SELECT id FROM incarnation WHERE vm = ?1 AND id <> ?2 ORDER BY "
             "began_wall_ns DESC LIMIT 1) ORDER BY p.id",
             vm, to, ToString(PageLife::kToReplay), host_boot_, ToString(HostRetired::kNo),
             ToString(PageLife::kClosed))
      .Run();
}

Status IncarnationTable::EndOtherHostBoots() {
  Query open(db_, "SELECT id FROM incarnation WHERE host_boot <> ? AND ended_wall_ns IS NULL",
             host_boot_);
  auto ids = Ids(open);
  if (!ids) return Forward(ids);
  for (const Uuid& id : *ids)
    if (auto done = End(id); !done) return done;
  return Query(db_,
               "UPDATE page SET host_retired = ?1 WHERE host_retired = ?2 AND incarnation IN "
               "(SELECT id FROM incarnation WHERE host_boot <> ?3)",
               ToString(HostRetired::kNo), ToString(HostRetired::kPending), host_boot_)
      .Run();
}

Result<bool> IncarnationTable::BeginBoot(const Uuid& incarnation, const Uuid& boot) {
  Query update(db_,
               "UPDATE incarnation SET boot = ?2, boots = boots + 1, list_result = NULL, "
               "list_boots = NULL, listed_pages = NULL, list_protected_pages = NULL "
               "WHERE id = ?1 AND (boot IS NULL OR boot <> ?2)",
               incarnation, boot);
  if (auto done = update.Run(); !done) return Forward(done);
  if (db_.Changes() == 0) return false;
  if (auto done = Apply(incarnation, PageEvent::kNewBoot, false); !done) return Forward(done);
  if (auto done = Apply(incarnation, PageEvent::kNewBootForgets, true); !done) return Forward(done);
  Query prune(db_,
              "DELETE FROM verdict WHERE page IN (SELECT id FROM page WHERE incarnation = ?1) AND "
              "boots <= (SELECT boots FROM incarnation WHERE id = ?1) - ?2",
              incarnation, limits_.verdict_boots_kept);
  if (auto done = prune.Run(); !done) return Forward(done);
  return true;
}

Status IncarnationTable::DropOld(const Uuid& vm) {
  Query drop(db_,
             "DELETE FROM incarnation WHERE vm = ?1 AND ended_wall_ns IS NOT NULL AND id NOT IN "
             "(SELECT id FROM incarnation WHERE vm = ?1 ORDER BY began_wall_ns DESC LIMIT ?2)",
             vm, limits_.incarnations_per_vm);
  if (auto done = drop.Run(); !done) return done;
  if (db_.Changes() == 0) return {};
  return Query(db_,
               "UPDATE vm SET event_rows = (SELECT count(*) FROM event e JOIN incarnation i "
               "ON i.id = e.incarnation WHERE i.vm = ?1) WHERE uuid = ?1",
               vm)
      .Run();
}

// One UPDATE for each life that the table moves. No target of a bulk event is moved again by the
// same event (PageLife.BulkEventsReachTheirEndAtOnce), so the order of the updates does not matter.
Status IncarnationTable::Apply(const Uuid& incarnation, PageEvent event,
                               std::optional<bool> predicted) {
  for (const PageLife life : kAllPageLives) {
    const auto next = Advance(life, event);
    if (!next || *next == life) continue;
    Query update(db_,
                 "UPDATE page SET life = ?1, ended_wall_ns = CASE WHEN ?5 THEN ?6 END "
                 "WHERE incarnation = ?2 AND life = ?3 "
                 "AND (?4 IS NULL OR (evidence = 'predicted') = ?4)",
                 ToString(*next), incarnation, ToString(life), predicted, !IsWanted(*next),
                 Ns(now_));
    if (auto done = update.Run(); !done) return done;
    if (db_.Changes() > 0) probe_.Moved(life, event);
  }
  return {};
}

}  // namespace seaward::ledger
