// Rules and facts about one VM -> what is to be done, and why. Pure: the clock is passed in, and
// nothing here knows of another VM but how much of the host's limits is used up.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "host-notifier/policy/action_life.h"
#include "host-notifier/policy/rule.h"

namespace seaward::policy {

struct Sample {
  WallTime when;  // of an unretired page: its first error
  std::uint64_t count = 1;
};

// Of the VM's present memory only: new memory begins without a past.
struct VmFacts {
  std::array<std::vector<Sample>, kConditions> samples;
  std::vector<Sample>& of(Condition condition) {
    return samples[static_cast<std::size_t>(condition)];
  }
  const std::vector<Sample>& of(Condition condition) const {
    return samples[static_cast<std::size_t>(condition)];
  }
};

// Telling one sink, or one intervention.
struct Action {
  std::string sink;  // empty: the intervention
  Intervention intervention = Intervention::kNone;

  bool IsIntervention() const { return sink.empty(); }
  // "notify" or the intervention's.
  std::string_view word() const { return IsIntervention() ? ToString(intervention) : "notify"; }
  bool operator==(const Action&) const = default;
};

// A decision on this VM that was made before.
struct PastDecision {
  std::string rule;
  Action action;
  ActionState state = ActionState::kPending;
  bool same_memory = true;
  WallTime decided;
  WallTime newest_fact;
};

// What was decided within the limits' window, and not held back.
struct Spent {
  std::uint64_t vm_notifications = 0;
  std::uint64_t vm_interventions = 0;
  std::uint64_t host_notifications = 0;
  std::uint64_t host_interventions = 0;
};

struct History {
  std::vector<PastDecision> decisions;  // of this VM
  Spent spent;
};

struct Decision {
  std::string rule;
  Action action;
  ActionState state = ActionState::kPending;  // or kDryRun, kLimited
  std::string reason;                         // for people
  std::uint64_t counted = 0;
  WallTime newest_fact;
};

// Why an action of a rule is, or is not, decided on now.
enum class Judgement {
  kNotMet,      // the rule does not hold
  kAct,         // it does
  kNothingNew,  // it did before, and nothing was added since
  kDuplicate,   // within the duplicate window of the last time, or of a stronger intervention
  kBusy,        // another intervention on this VM is not over, or is stronger
  kLimited,     // a rate limit
};
std::string_view ToString(Judgement judgement);

struct ActionJudgement {
  Action action;
  Judgement judgement = Judgement::kNotMet;
  std::optional<WallTime> until;  // kDuplicate: then it may be decided on again
};

struct RuleJudgement {
  Rule rule;
  std::uint64_t counted = 0;
  bool holds = false;
  std::vector<ActionJudgement> actions;
};

struct Outcome {
  std::vector<RuleJudgement> rules;
  std::vector<Decision> decisions;
  std::optional<WallTime> again;  // when time alone may change the outcome
};

Outcome Decide(const EffectivePolicy& policy, const VmFacts& facts, const History& history,
               WallTime now);

}  // namespace seaward::policy
