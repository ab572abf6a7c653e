// One VM whose memory goes bad, and what the core decides about it.
#pragma once

#include <string>
#include <utility>

#include "host-notifier/policy/decide.h"

namespace seaward::policy {

using std::chrono_literals::operator""s;

inline const WallTime kStart{std::chrono::hours(24 * 365 * 50)};

inline Rule RuleOf(std::string name, Condition when, std::uint64_t at_least, seconds time) {
  Rule rule;
  rule.name = std::move(name);
  rule.when = when;
  rule.at_least = at_least;
  (when == Condition::kUnretiredPages ? rule.unretired_for : rule.within) = time;
  return rule;
}

inline EffectivePolicy PolicyOf(std::vector<Rule> rules) {
  EffectivePolicy policy;
  policy.duplicate_window = 300s;
  policy.limits = {3600s, 20, 2, 200, 5};
  policy.rules = std::move(rules);
  return policy;
}

// Decides again and again, and remembers, as the ledger does.
class DecidedVm {
 public:
  explicit DecidedVm(EffectivePolicy with) : policy(std::move(with)) {}

  void GoesBad(Condition how, std::uint64_t count = 1) { facts.of(how).push_back({now, count}); }
  void After(seconds time) { now += time; }
  // Its memory is another one: nothing is known to be bad.
  void Restarts() {
    facts = {};
    for (PastDecision& past : history.decisions) past.same_memory = false;
  }
  Outcome Decides() {
    Outcome outcome = Decide(policy, facts, history, now);
    for (const Decision& decision : outcome.decisions) {
      history.decisions.push_back(
          {decision.rule, decision.action, decision.state, true, now, decision.newest_fact});
      if (decision.state == ActionState::kLimited) continue;
      auto& spent = history.spent;
      (decision.action.IsIntervention() ? spent.vm_interventions : spent.vm_notifications) += 1;
      (decision.action.IsIntervention() ? spent.host_interventions : spent.host_notifications) += 1;
    }
    return outcome;
  }
  void AllIsDone() {
    for (PastDecision& past : history.decisions)
      if (IsOpen(past.state)) past.state = ActionState::kDone;
  }
  // "rule:action:state ..." of what is decided now.
  std::string Words() {
    std::string words;
    for (const Decision& decision : Decides().decisions)
      words += decision.rule + ":" + std::string(decision.action.word()) +
               (decision.action.sink.empty() ? "" : "(" + decision.action.sink + ")") + ":" +
               std::string(ToString(decision.state)) + " ";
    return words;
  }

  EffectivePolicy policy;
  VmFacts facts;
  History history;
  WallTime now = kStart;
};

}  // namespace seaward::policy
