#include "host-notifier/policy/decide.h"

#include <fmt/format.h>

#include <algorithm>

namespace seaward::policy {
namespace {

// A limit frees when the oldest decision leaves its window; asking that often is soon enough.
constexpr seconds kLimitPause{60};

struct Measured {
  std::uint64_t counted = 0;
  std::optional<WallTime> newest;   // when the newest counted sample began to count
  std::optional<WallTime> changes;  // when time alone adds a sample
};

void Earliest(std::optional<WallTime>& at, std::optional<WallTime> other) {
  if (other && (!at || *other < *at)) at = other;
}

Measured Measure(const Rule& rule, const VmFacts& facts, WallTime now) {
  Measured measured;
  const bool overdue = rule.when == Condition::kUnretiredPages;
  for (const Sample& sample : facts.of(rule.when)) {
    const WallTime counts_from = overdue ? sample.when + rule.unretired_for : sample.when;
    if (overdue && counts_from > now) {
      Earliest(measured.changes, counts_from);
      continue;
    }
    // A clock that was set back leaves samples ahead of it: they are recent all the same.
    if (!overdue && now - sample.when > rule.within) continue;
    measured.counted += sample.count;
    measured.newest = std::max(measured.newest.value_or(counts_from), counts_from);
  }
  return measured;
}

std::string Reason(const Rule& rule, std::uint64_t counted) {
  const bool overdue = rule.when == Condition::kUnretiredPages;
  return fmt::format("{} {} {} {} s; the rule wants at least {}", counted, ToString(rule.when),
                     overdue ? "for" : "within",
                     (overdue ? rule.unretired_for : rule.within).count(), rule.at_least);
}

// One call of Decide.
class Decider {
 public:
  Decider(const EffectivePolicy& policy, const VmFacts& facts, const History& history, WallTime now)
      : policy_(policy), facts_(facts), history_(history), spent_(history.spent), now_(now) {}

  Outcome Run() {
    for (const Rule& rule : policy_.rules) Consider(rule);
    // The strongest intervention is enough; by the order of the rules among equals.
    for (int strength = static_cast<int>(Intervention::kColdRestart); strength > 0; --strength)
      for (std::size_t i = 0; i < outcome_.rules.size(); ++i)
        Intervene(i, static_cast<Intervention>(strength));
    return std::move(outcome_);
  }

 private:
  void Consider(const Rule& rule) {
    const Measured measured = Measure(rule, facts_, now_);
    Earliest(outcome_.again, measured.changes);
    RuleJudgement judged{rule, measured.counted, measured.counted >= rule.at_least, {}};
    for (const std::string& sink : rule.notify) {
      const Action action{sink, Intervention::kNone};
      judged.actions.push_back(judged.holds ? Judge(rule, measured, action)
                                            : ActionJudgement{action, Judgement::kNotMet, {}});
    }
    if (rule.act != Intervention::kNone)
      judged.actions.push_back({Action{"", rule.act}, Judgement::kNotMet, {}});
    outcome_.rules.push_back(std::move(judged));
    measured_.push_back(measured);
  }

  void Intervene(std::size_t i, Intervention strength) {
    RuleJudgement& judged = outcome_.rules[i];
    if (!judged.holds || judged.rule.act != strength) return;
    judged.actions.back() = Judge(judged.rule, measured_[i], judged.actions.back().action);
  }

  ActionJudgement Judge(const Rule& rule, const Measured& measured, const Action& action) {
    const PastDecision* last = nullptr;
    const PastDecision* told_limited = nullptr;
    for (const PastDecision& past : history_.decisions) {
      if (!Answers(past, rule, action)) continue;
      const PastDecision*& slot = past.state == ActionState::kLimited ? told_limited : last;
      if (slot == nullptr || slot->decided < past.decided) slot = &past;
    }
    if (last != nullptr && last->same_memory && *measured.newest <= last->newest_fact)
      return {action, Judgement::kNothingNew, {}};
    if (last != nullptr && now_ - last->decided < policy_.duplicate_window) {
      const WallTime until = last->decided + policy_.duplicate_window;
      Earliest(outcome_.again, until);
      return {action, Judgement::kDuplicate, until};
    }
    if (action.IsIntervention() && (intervened_ || InterventionIsOpen()))
      return {action, Judgement::kBusy, {}};
    if (LimitReached(action)) {
      Earliest(outcome_.again, now_ + std::min<seconds>(policy_.limits.window, kLimitPause));
      const bool told = told_limited != nullptr && told_limited->same_memory &&
                        *measured.newest <= told_limited->newest_fact;
      if (!told) Add(rule, measured, action, ActionState::kLimited);
      return {action, Judgement::kLimited, {}};
    }
    Add(rule, measured, action, policy_.dry_run ? ActionState::kDryRun : ActionState::kPending);
    Spend(action);
    return {action, Judgement::kAct, {}};
  }

  // Whether `past` was about the same: for an intervention, any that was at least as strong and did
  // something, or may have.
  static bool Answers(const PastDecision& past, const Rule& rule, const Action& action) {
    if (past.rule == rule.name && past.action == action) return true;
    const bool idle = past.state == ActionState::kLimited || past.state == ActionState::kRefused ||
                      past.state == ActionState::kExpired || past.state == ActionState::kFailed;
    return !idle && action.IsIntervention() && past.action.IsIntervention() &&
           past.action.intervention >= action.intervention;
  }

  bool InterventionIsOpen() const {
    return std::ranges::any_of(history_.decisions, [](const PastDecision& past) {
      return past.action.IsIntervention() && IsOpen(past.state);
    });
  }

  bool LimitReached(const Action& action) const {
    const Limits& limits = policy_.limits;
    if (action.IsIntervention())
      return spent_.vm_interventions >= limits.vm_interventions ||
             spent_.host_interventions >= limits.host_interventions;
    return spent_.vm_notifications >= limits.vm_notifications ||
           spent_.host_notifications >= limits.host_notifications;
  }

  void Spend(const Action& action) {
    if (action.IsIntervention()) {
      intervened_ = true;
      ++spent_.vm_interventions;
      ++spent_.host_interventions;
    } else {
      ++spent_.vm_notifications;
      ++spent_.host_notifications;
    }
  }

  void Add(const Rule& rule, const Measured& measured, const Action& action, ActionState state) {
    outcome_.decisions.push_back({rule.name, action, state, Reason(rule, measured.counted),
                                  measured.counted, *measured.newest});
  }

  const EffectivePolicy& policy_;
  const VmFacts& facts_;
  const History& history_;
  Spent spent_;
  const WallTime now_;
  bool intervened_ = false;
  std::vector<Measured> measured_;  // one per rule
  Outcome outcome_;
};

}  // namespace

std::string_view ToString(Judgement judgement) {
  switch (judgement) {
    case Judgement::kNotMet:
      return "not_met";
    case Judgement::kAct:
      return "act";
    case Judgement::kNothingNew:
      return "nothing_new";
    case Judgement::kDuplicate:
      return "duplicate";
    case Judgement::kBusy:
      return "busy";
    case Judgement::kLimited:
      return "limited";
  }
  return "";
}

Outcome Decide(const EffectivePolicy& policy, const VmFacts& facts, const History& history,
               WallTime now) {
  return Decider(policy, facts, history, now).Run();
}

}  // namespace seaward::policy
