#include "host-notifier/ledger/retention.h"

#include <algorithm>
#include <map>

namespace seaward::ledger {

Result<std::uint64_t> Retention::RemoveBatch() {
  using Step = Result<std::uint64_t> (Retention::*)();
  // The events of a page go before it: without it they would look like errors without a place.
  for (const Step step :
       {&Retention::DropAudit, &Retention::DropEventsOfEndedPages, &Retention::DropEndedPages,
        &Retention::DropEvents, &Retention::DropLosses, &Retention::DropIncarnations,
        &Retention::DropVms}) {
    auto removed = (this->*step)();
    if (!removed || *removed > 0) return removed;
  }
  return std::uint64_t{0};
}

// How many rows there are beyond max_rows, at most one batch.
Result<std::uint64_t> Retention::Excess(const char* count_sql) {
  const auto rows = Query(db_, count_sql).Number();
  if (!rows) return tl::unexpected<Error>(rows.error());
  const std::uint64_t excess = *rows > policy_.max_rows ? *rows - policy_.max_rows : 0;
  return std::min<std::uint64_t>(excess, policy_.batch_rows);
}

Result<std::uint64_t> Retention::RowsDroppedBy(Query& drop) {
  if (auto done = drop.Run(); !done) return Forward(done);
  return static_cast<std::uint64_t>(db_.Changes());
}

Result<std::uint64_t> Retention::DropAudit() {
  const auto excess = Excess("SELECT count(*) FROM audit");
  if (!excess) return tl::unexpected<Error>(excess.error());
  Query drop(db_,
             "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE wall_ns < ?1 LIMIT ?2) "
             "OR id IN (SELECT id FROM audit ORDER BY id LIMIT ?3)",
             Ns(policy_.audit_before), policy_.batch_rows, *excess);
  return RowsDroppedBy(drop);
}

// Which pages may go: by age, or as the oldest of too many.
#define SEAWARD_ENDED_PAGES                                                                \
  "SELECT id FROM page WHERE ended_wall_ns IS NOT NULL AND host_retired <> 'pending' "     \
  "AND (ended_wall_ns < ?1 OR id IN (SELECT id FROM page WHERE ended_wall_ns IS NOT NULL " \
  "AND host_retired <> 'pending' ORDER BY ended_wall_ns LIMIT ?3)) LIMIT ?2"

Result<std::uint64_t> Retention::DropEventsOfEndedPages() {
  const auto excess = Excess("SELECT count(*) FROM page WHERE ended_wall_ns IS NOT NULL");
  if (!excess) return tl::unexpected<Error>(excess.error());
  Query drop(db_,
             "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE page IN "
             "(" SEAWARD_ENDED_PAGES ") LIMIT ?2) RETURNING incarnation",
             Ns(policy_.closed_before), policy_.batch_rows, *excess);
  return CountDropped(drop);
}

Result<std::uint64_t> Retention::DropEndedPages() {
  const auto excess = Excess("SELECT count(*) FROM page WHERE ended_wall_ns IS NOT NULL");
  if (!excess) return tl::unexpected<Error>(excess.error());
  Query drop(db_, "DELETE FROM page WHERE id IN (" SEAWARD_ENDED_PAGES ")",
             Ns(policy_.closed_before), policy_.batch_rows, *excess);
  return RowsDroppedBy(drop);
}

// What an error without a place says of a running VM stays true as long as it runs.
Result<std::uint64_t> Retention::DropEvents() {
  const auto excess = Excess("SELECT coalesce(sum(event_rows), 0) FROM vm");
  if (!excess) return tl::unexpected<Error>(excess.error());
  Query drop(db_,
             "DELETE FROM event WHERE id IN (SELECT e.id FROM event e JOIN incarnation i "
             "ON i.id = e.incarnation WHERE e.wall_ns < ?1 AND (e.page IS NOT NULL "
             "OR e.evidence = 'predicted' OR i.ended_wall_ns IS NOT NULL) LIMIT ?2) "
             "OR id IN (SELECT e.id FROM event e JOIN incarnation i ON i.id = e.incarnation "
             "WHERE ?3 > 0 AND (e.page IS NOT NULL OR e.evidence = 'predicted' "
             "OR i.ended_wall_ns IS NOT NULL) ORDER BY e.id LIMIT ?3) RETURNING incarnation",
             Ns(policy_.events_before), policy_.batch_rows, *excess);
  return CountDropped(drop);
}

// Of how many there are, each VM has its bound.
Result<std::uint64_t> Retention::DropLosses() {
  Query drop(db_, "DELETE FROM loss WHERE id IN (SELECT id FROM loss WHERE wall_ns < ? LIMIT ?)",
             Ns(policy_.events_before), policy_.batch_rows);
  return RowsDroppedBy(drop);
}

Result<std::uint64_t> Retention::CountDropped(Query& removed) {
  std::map<Uuid, std::uint64_t> by_incarnation;
  for (;;) {
    const auto more = removed.Next();
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) break;
    ++by_incarnation[removed.Id(0)];
  }
  std::uint64_t total = 0;
  for (const auto& [incarnation, rows] : by_incarnation) {
    Query count(db_,
                "UPDATE vm SET event_rows = event_rows - ?2, events_pruned = events_pruned + ?2 "
                "WHERE uuid = (SELECT vm FROM incarnation WHERE id = ?1)",
                incarnation, rows);
    if (auto done = count.Run(); !done) return Forward(done);
    total += rows;
  }
  return total;
}

Result<std::uint64_t> Retention::DropIncarnations() {
  Query drop(db_,
             "DELETE FROM incarnation WHERE id IN (SELECT id FROM incarnation i "
             "WHERE ended_wall_ns < ?1 AND NOT EXISTS(SELECT 1 FROM page WHERE incarnation = i.id) "
             "AND NOT EXISTS(SELECT 1 FROM event WHERE incarnation = i.id) LIMIT ?2)",
             Ns(policy_.closed_before), policy_.batch_rows);
  return RowsDroppedBy(drop);
}

Result<std::uint64_t> Retention::DropVms() {
  Query drop(db_,
             "DELETE FROM vm WHERE uuid IN (SELECT uuid FROM vm v WHERE "
             "NOT EXISTS(SELECT 1 FROM incarnation WHERE vm = v.uuid) AND "
             "NOT EXISTS(SELECT 1 FROM alarm WHERE vm = v.uuid AND wall_ns >= ?1) LIMIT ?2)",
             Ns(policy_.events_before), policy_.batch_rows);
  return RowsDroppedBy(drop);
}

}  // namespace seaward::ledger
