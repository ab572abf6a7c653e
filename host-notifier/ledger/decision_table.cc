#include "host-notifier/ledger/decision_table.h"

#include <fmt/format.h>

#include "base/units.h"
#include "host-notifier/ledger/stored_words.h"

namespace seaward::ledger {
namespace {

using policy::Action;
using policy::ActionState;
using policy::Condition;
using policy::Intervention;
using std::chrono::nanoseconds;

constexpr Intervention kAllInterventions[] = {Intervention::kNone, Intervention::kPause,
                                              Intervention::kReset, Intervention::kColdRestart};

// In the order that DecisionOf reads.
#define SEAWARD_DECISION_COLUMNS                                                             \
  "d.id, v.uuid, v.name, d.incarnation, d.rule, d.sink, d.intervention, d.state, d.reason, " \
  "d.counted, d.decided_wall_ns, d.changed_wall_ns, d.expires_wall_ns, d.next_wall_ns, "     \
  "d.attempts, d.result, d.kept_xml FROM decision d JOIN vm v ON v.uuid = d.vm "

WallTime Wall(std::int64_t ns) {
  return WallTime(nanoseconds(ns));
}

Action ActionOf(const Query& q, int column) {
  return {q.Text(column),
          FromWord<Intervention>(q.Text(column + 1), kAllInterventions, Intervention::kNone)};
}

// A word that no version wrote is none that may be acted on.
ActionState StateOf(const Query& q, int column) {
  return FromWord<ActionState>(q.Text(column), policy::kAllActionStates, ActionState::kUnknown);
}

DecisionRow DecisionOf(const Query& q) {
  DecisionRow row;
  row.id = q.Unsigned(0);
  row.vm = {q.Id(1), q.Text(2)};
  row.incarnation = q.Id(3);
  row.rule = q.Text(4);
  row.action = ActionOf(q, 5);
  row.state = StateOf(q, 7);
  row.reason = q.Text(8);
  row.counted = q.Unsigned(9);
  row.decided = Wall(q.Signed(10));
  row.changed = Wall(q.Signed(11));
  row.expires = Wall(q.Signed(12));
  row.next = Wall(q.Signed(13));
  row.attempts = static_cast<std::uint32_t>(q.Unsigned(14));
  row.result = q.Text(15);
  row.kept_xml = q.Text(16);
  return row;
}

// Every row of `q` to `take`.
template <class Take>
Status ForEachRow(Query& q, Take take) {
  for (;;) {
    const Result<bool> more = q.Next();
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) return {};
    take();
  }
}

Result<std::vector<DecisionRow>> Collect(Query& q) {
  std::vector<DecisionRow> rows;
  if (auto done = ForEachRow(q, [&] { rows.push_back(DecisionOf(q)); }); !done)
    return Forward(done);
  return rows;
}

}  // namespace

Result<policy::VmFacts> DecisionTable::Facts(const Uuid& incarnation, WallTime since) {
  policy::VmFacts facts;
  if (auto done = AddPages(incarnation, facts); !done) return Forward(done);
  if (auto done = AddEvents(incarnation, since, facts); !done) return Forward(done);
  return facts;
}

Status DecisionTable::AddPages(const Uuid& incarnation, policy::VmFacts& facts) {
  Query pages(db_,
              "SELECT first_wall_ns, last_wall_ns, length, life, outcome FROM page "
              "WHERE incarnation = ? AND evidence <> 'predicted' AND located_by <> 'guest'",
              incarnation);
  return ForEachRow(pages, [&] {
    const policy::Sample first{Wall(pages.Signed(0)), pages.Unsigned(2) / kPoisonGranule};
    facts.of(Condition::kPages).push_back(first);
    const PageLife life = FromWord<PageLife>(pages.Text(3), kAllPageLives, PageLife::kToReplay);
    if (!IsWanted(life)) return;
    if (life != PageLife::kRetired && life != PageLife::kExcluded)
      facts.of(Condition::kUnretiredPages).push_back(first);
    const bool refused = life == PageLife::kFailed && !pages.IsNull(4) &&
                         pages.Text(4) == ToString(protocol::Outcome::kBudgetExceeded);
    if (refused)
      facts.of(Condition::kBudgetRefusals).push_back({Wall(pages.Signed(1)), first.count});
  });
}

Status DecisionTable::AddEvents(const Uuid& incarnation, WallTime since, policy::VmFacts& facts) {
  Query events(db_,
               "SELECT wall_ns, count, location, severity FROM event WHERE incarnation = ?1 AND "
               "wall_ns >= ?2 AND evidence <> 'predicted' AND (location <> 'located' OR "
               "severity = 'uncontainable')",
               incarnation, Ns(since));
  return ForEachRow(events, [&] {
    const policy::Sample sample{Wall(events.Signed(0)), events.Unsigned(1)};
    if (events.Text(3) == ToString(Severity::kUncontainable))
      facts.of(Condition::kUncontainableEvents).push_back(sample);
    const auto location = FromWord<Location>(events.Text(2), kAllLocations, Location::kUnlocated);
    if (location == Location::kSuspected) facts.of(Condition::kSuspectedEvents).push_back(sample);
    if (location == Location::kGvaOnly || location == Location::kUnlocated)
      facts.of(Condition::kUnlocatedEvents).push_back(sample);
  });
}

Result<policy::History> DecisionTable::HistoryOf(const Uuid& vm, const Uuid& incarnation,
                                                 WallTime since) {
  policy::History history;
  Query own(db_,
            "SELECT rule, sink, intervention, state, incarnation = ?2, decided_wall_ns, "
            "newest_fact_ns FROM decision WHERE vm = ?1 ORDER BY id",
            vm, incarnation);
  auto done = ForEachRow(own, [&] {
    history.decisions.push_back({own.Text(0), ActionOf(own, 1), StateOf(own, 3), own.Signed(4) != 0,
                                 Wall(own.Signed(5)), Wall(own.Signed(6))});
  });
  if (!done) return Forward(done);
  Query spent(db_,
              "SELECT vm = ?1, sink = '', count(*) FROM decision WHERE decided_wall_ns > ?2 "
              "AND state NOT IN ('limited', 'refused') GROUP BY 1, 2",
              vm, Ns(since));
  done = ForEachRow(spent, [&] {
    const std::uint64_t count = spent.Unsigned(2);
    policy::Spent& sum = history.spent;
    const bool intervention = spent.Signed(1) != 0;
    (intervention ? sum.host_interventions : sum.host_notifications) += count;
    if (spent.Signed(0) != 0) (intervention ? sum.vm_interventions : sum.vm_notifications) += count;
  });
  if (!done) return Forward(done);
  return history;
}

Result<std::vector<DecisionRow>> DecisionTable::Record(const VmIdentity& vm,
                                                       const Uuid& incarnation,
                                                       std::span<const NewDecision> decisions) {
  auto transaction = Transaction::Begin(db_);
  if (!transaction) return Forward(transaction);
  std::vector<DecisionRow> rows;
  for (const auto& [decision, expires] : decisions) {
    Query insert(db_,
                 "INSERT INTO decision(vm, incarnation, rule, sink, intervention, state, reason, "
                 "counted, newest_fact_ns, decided_wall_ns, changed_wall_ns, expires_wall_ns, "
                 "next_wall_ns) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 vm.uuid, incarnation, decision.rule, decision.action.sink,
                 ToString(decision.action.intervention), ToString(decision.state), decision.reason,
                 decision.counted, Ns(decision.newest_fact), Ns(now_), Ns(now_), Ns(expires),
                 Ns(now_));
    if (auto done = insert.Run(); !done) return Forward(done);
    auto row = Find(static_cast<std::uint64_t>(db_.LastRowId()));
    if (!row) return Forward(row);
    rows.push_back(std::move(*row));
  }
  if (auto done = MakeRoom(vm.uuid); !done) return Forward(done);
  if (auto done = transaction->Commit(); !done) return Forward(done);
  return rows;
}

Result<DecisionRow> DecisionTable::Advance(std::uint64_t id, policy::ActionEvent event,
                                           const AttemptNote& note) {
  auto transaction = Transaction::Begin(db_);
  if (!transaction) return Forward(transaction);
  auto row = Find(id);
  if (!row) return Forward(row);
  const auto next = policy::Advance(row->state, event);
  if (!next)
    return Fail(ErrorCode::kInvalid, fmt::format("decision {} is {}: '{}' cannot follow", id,
                                                 ToString(row->state), ToString(event)));
  const bool begun = event == policy::ActionEvent::kBegin;
  const bool moved = *next != row->state;
  Query update(db_,
               "UPDATE decision SET state = ?, changed_wall_ns = ?, attempts = ?, result = ?, "
               "next_wall_ns = ?, kept_xml = ? WHERE id = ?",
               ToString(*next), Ns(moved ? now_ : row->changed), row->attempts + (begun ? 1U : 0U),
               note.result.value_or(row->result), Ns(note.next.value_or(row->next)),
               policy::IsOpen(*next) ? note.kept_xml.value_or(row->kept_xml) : std::string(), id);
  if (auto done = update.Run(); !done) return Forward(done);
  row = Find(id);
  if (!row) return Forward(row);
  if (auto done = transaction->Commit(); !done) return Forward(done);
  return row;
}

Result<DecisionRow> DecisionTable::Find(std::uint64_t id) {
  Query q(db_, "SELECT " SEAWARD_DECISION_COLUMNS "WHERE d.id = ?", id);
  const Result<bool> found = q.Next();
  if (!found) return tl::unexpected<Error>(found.error());
  if (!*found) return Fail(ErrorCode::kNotFound, fmt::format("no decision has the id {}", id));
  return DecisionOf(q);
}

Result<std::vector<DecisionRow>> DecisionTable::Newest(const Uuid& vm, std::uint32_t limit) {
  Query q(db_,
          "SELECT " SEAWARD_DECISION_COLUMNS
          "WHERE d.id IN (SELECT id FROM decision WHERE vm = ? ORDER BY id DESC LIMIT ?) "
          "ORDER BY d.id",
          vm, limit);
  return Collect(q);
}

Result<std::vector<DecisionRow>> DecisionTable::Open() {
  Query q(db_, "SELECT " SEAWARD_DECISION_COLUMNS
               "WHERE d.state IN ('pending', 'under_way', 'restarting') ORDER BY d.id");
  return Collect(q);
}

// The oldest go; never one that is still to be done.
Status DecisionTable::MakeRoom(const Uuid& vm) {
  return Query(db_,
               "DELETE FROM decision WHERE vm = ?1 AND state NOT IN ('pending', 'under_way', "
               "'restarting') AND id <= "
               "(SELECT id FROM decision WHERE vm = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
               vm, limits_.decision_rows_per_vm)
      .Run();
}

}  // namespace seaward::ledger
