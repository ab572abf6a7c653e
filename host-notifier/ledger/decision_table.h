// What the policy decided, and what became of it: the row is there before anything is done, so that
// it is the outbox, too. Facts and history that decisions are made of.
//
// Same thread and lifetime as the Ledger that made it; each Record and Advance is one commit.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "host-notifier/ledger/ledger_limits.h"
#include "host-notifier/ledger/ledger_rows.h"
#include "host-notifier/ledger/sqlite.h"
#include "host-notifier/policy/decide.h"

namespace seaward::ledger {

struct DecisionRow {
  std::uint64_t id = 0;
  VmIdentity vm;
  Uuid incarnation;
  std::string rule;
  policy::Action action;
  policy::ActionState state = policy::ActionState::kPending;
  std::string reason;  // why it was decided
  std::uint64_t counted = 0;
  WallTime decided;
  WallTime changed;            // when it came into this state
  WallTime expires;            // of an open one
  WallTime next;               // of a pending one: not to be tried before
  std::uint32_t attempts = 0;  // begun
  std::string result;          // what the newest attempt said; for people
  std::string kept_xml;        // kRestarting: a transient domain to be made again
};

struct NewDecision {
  policy::Decision decision;
  WallTime expires;
};

// What is known of an attempt beside its event; left out, a column stays.
struct AttemptNote {
  std::optional<std::string> result = {};
  std::optional<WallTime> next = {};
  std::optional<std::string> kept_xml = {};
};

class DecisionTable {
 public:
  DecisionTable(Database& db, WallTime now, const LedgerLimits& limits)
      : db_(db), now_(now), limits_(limits) {}

  // What counts of the memory of `incarnation`: events since `since`, pages whenever they were met.
  Result<policy::VmFacts> Facts(const Uuid& incarnation, WallTime since);
  // Of the VM, seen from `incarnation`; the limits' window begins at `since`.
  Result<policy::History> HistoryOf(const Uuid& vm, const Uuid& incarnation, WallTime since);

  // Returns the rows as they are now, in the order given.
  Result<std::vector<DecisionRow>> Record(const VmIdentity& vm, const Uuid& incarnation,
                                          std::span<const NewDecision> decisions);
  // kInvalid where the table of policy/actions.md has no such step: nothing was changed. kNotFound
  // for an unknown id.
  Result<DecisionRow> Advance(std::uint64_t id, policy::ActionEvent event,
                              const AttemptNote& note = {});

  // The newest of this VM, oldest first.
  Result<std::vector<DecisionRow>> Newest(const Uuid& vm, std::uint32_t limit);
  // Of all VMs, oldest first.
  Result<std::vector<DecisionRow>> Open();

 private:
  Result<DecisionRow> Find(std::uint64_t id);
  Status AddPages(const Uuid& incarnation, policy::VmFacts& facts);
  Status AddEvents(const Uuid& incarnation, WallTime since, policy::VmFacts& facts);
  Status MakeRoom(const Uuid& vm);

  Database& db_;
  const WallTime now_;
  const LedgerLimits limits_;
};

}  // namespace seaward::ledger
