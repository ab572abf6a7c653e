// What holds for any rules, any facts and any history.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <set>

#include "host-notifier/policy/policy_fixture.h"

namespace seaward::policy {
namespace {

Rule AnyRule(int number) {
  const auto when = *rc::gen::elementOf(
      std::vector<Condition>(std::begin(kAllConditions), std::end(kAllConditions)));
  Rule rule = RuleOf("rule" + std::to_string(number), when, *rc::gen::inRange<std::uint64_t>(1, 5),
                     seconds(*rc::gen::inRange(0, 100)));
  for (const char* sink : {"a", "b"})
    if (*rc::gen::arbitrary<bool>()) rule.notify.emplace_back(sink);
  rule.act = *rc::gen::element(Intervention::kNone, Intervention::kPause, Intervention::kReset,
                               Intervention::kColdRestart);
  return rule;
}

EffectivePolicy AnyPolicy() {
  std::vector<Rule> rules;
  const int count = *rc::gen::inRange(0, 5);
  for (int i = 0; i < count; ++i) rules.push_back(AnyRule(i));
  EffectivePolicy policy = PolicyOf(std::move(rules));
  policy.dry_run = *rc::gen::arbitrary<bool>();
  policy.duplicate_window = seconds(*rc::gen::inRange(0, 100));
  policy.limits = {100s, *rc::gen::inRange<std::uint64_t>(0, 4),
                   *rc::gen::inRange<std::uint64_t>(0, 3), *rc::gen::inRange<std::uint64_t>(0, 4),
                   *rc::gen::inRange<std::uint64_t>(0, 3)};
  return policy;
}

void AnythingHappens(DecidedVm& vm) {
  const int steps = *rc::gen::inRange(0, 6);
  for (int i = 0; i < steps; ++i) {
    vm.GoesBad(*rc::gen::elementOf(
                   std::vector<Condition>(std::begin(kAllConditions), std::end(kAllConditions))),
               *rc::gen::inRange<std::uint64_t>(1, 4));
    vm.After(seconds(*rc::gen::inRange(0, 60)));
  }
}

std::uint64_t CountOf(const Outcome& outcome, bool interventions) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(outcome.decisions, [&](const Decision& decision) {
        return decision.state != ActionState::kLimited &&
               decision.action.IsIntervention() == interventions;
      }));
}

TEST(DecideProperty, LimitsAreNeverPassedAndOneInterventionIsOpenAtMost) {
  EXPECT_TRUE(rc::check([] {
    DecidedVm vm(AnyPolicy());
    vm.history.spent = {0, 0, *rc::gen::inRange<std::uint64_t>(0, 4),
                        *rc::gen::inRange<std::uint64_t>(0, 3)};
    for (int round = 0; round < 4; ++round) {
      AnythingHappens(vm);
      const Spent before = vm.history.spent;
      const Outcome outcome = vm.Decides();
      const auto told = CountOf(outcome, false);
      const auto done = CountOf(outcome, true);
      const Limits& limits = vm.policy.limits;
      RC_ASSERT(told == 0 || before.vm_notifications + told <= limits.vm_notifications);
      RC_ASSERT(told == 0 || before.host_notifications + told <= limits.host_notifications);
      RC_ASSERT(done == 0 || before.vm_interventions + done <= limits.vm_interventions);
      RC_ASSERT(done == 0 || before.host_interventions + done <= limits.host_interventions);
      RC_ASSERT(done <= 1);
      const auto open = std::ranges::count_if(vm.history.decisions, [](const PastDecision& past) {
        return past.action.IsIntervention() && IsOpen(past.state);
      });
      RC_ASSERT(open <= 1);
      if (*rc::gen::arbitrary<bool>()) vm.AllIsDone();
    }
  }));
}

TEST(DecideProperty, DecidingTwiceDecidesNothingTwice) {
  EXPECT_TRUE(rc::check([] {
    DecidedVm vm(AnyPolicy());
    AnythingHappens(vm);
    vm.Decides();
    // What a limit held back, or a stronger intervention, may come later; nothing comes twice.
    std::set<std::pair<std::string, std::string>> decided;
    for (const PastDecision& past : vm.history.decisions)
      if (past.state != ActionState::kLimited)
        decided.emplace(past.rule, past.action.sink + std::string(past.action.word()));
    for (const Decision& again : vm.Decides().decisions)
      RC_ASSERT(
          !decided.contains({again.rule, again.action.sink + std::string(again.action.word())}));
  }));
}

TEST(DecideProperty, EveryDecisionHasARuleThatHoldsAndAnActionOfThatRule) {
  EXPECT_TRUE(rc::check([] {
    DecidedVm vm(AnyPolicy());
    AnythingHappens(vm);
    const Outcome outcome = vm.Decides();
    RC_ASSERT(outcome.rules.size() == vm.policy.rules.size());
    for (const Decision& decision : outcome.decisions) {
      const auto rule = std::ranges::find_if(outcome.rules, [&](const RuleJudgement& judged) {
        return judged.rule.name == decision.rule;
      });
      RC_ASSERT(rule != outcome.rules.end());
      RC_ASSERT(rule->holds);
      RC_ASSERT(decision.counted >= rule->rule.at_least);
      const bool of_the_rule =
          decision.action.IsIntervention()
              ? decision.action.intervention == rule->rule.act
              : std::ranges::count(rule->rule.notify, decision.action.sink) == 1;
      RC_ASSERT(of_the_rule);
      const bool dry = decision.state == ActionState::kDryRun;
      RC_ASSERT(decision.state == ActionState::kLimited || dry == vm.policy.dry_run);
      RC_ASSERT(decision.newest_fact <= vm.now);
    }
  }));
}

// Another VM's facts are no argument of Decide; what it used up of the host's limits is, and can
// only hold back.
TEST(DecideProperty, AnotherVmCanOnlyHoldBackNeverCause) {
  EXPECT_TRUE(rc::check([] {
    DecidedVm vm(AnyPolicy());
    AnythingHappens(vm);
    const Outcome alone = Decide(vm.policy, vm.facts, vm.history, vm.now);
    History crowded = vm.history;
    crowded.spent.host_notifications += *rc::gen::inRange<std::uint64_t>(0, 5);
    crowded.spent.host_interventions += *rc::gen::inRange<std::uint64_t>(0, 5);
    for (const Decision& decision : Decide(vm.policy, vm.facts, crowded, vm.now).decisions) {
      if (decision.state == ActionState::kLimited) continue;
      RC_ASSERT(std::ranges::any_of(alone.decisions, [&](const Decision& other) {
        return other.rule == decision.rule && other.action == decision.action;
      }));
    }
  }));
}

}  // namespace
}  // namespace seaward::policy
