#include "host-notifier/policy/decide.h"

#include <gtest/gtest.h>

#include "host-notifier/policy/policy_fixture.h"

namespace seaward::policy {
namespace {

Rule Telling(Rule rule, std::string sink = "ops") {
  rule.notify = {std::move(sink)};
  return rule;
}
Rule Doing(Rule rule, Intervention act) {
  rule.act = act;
  return rule;
}

TEST(Decide, CountsWithinTheWindowOnly) {
  DecidedVm vm(PolicyOf({Telling(RuleOf("many", Condition::kPages, 3, 600s))}));
  vm.GoesBad(Condition::kPages, 2);
  EXPECT_EQ(vm.Words(), "");
  vm.After(601s);
  vm.GoesBad(Condition::kPages, 2);
  EXPECT_EQ(vm.Words(), "") << "the first two are too old";
  vm.After(10s);
  vm.GoesBad(Condition::kPages);
  const Outcome outcome = vm.Decides();
  ASSERT_EQ(outcome.decisions.size(), 1u);
  EXPECT_EQ(outcome.decisions[0].reason, "3 pages within 600 s; the rule wants at least 3");
  EXPECT_EQ(outcome.decisions[0].counted, 3u);
}

TEST(Decide, EveryConditionCountsItsOwnFactsAlone) {
  for (const Condition counted : kAllConditions) {
    for (const Condition happened : kAllConditions) {
      const bool overdue = counted == Condition::kUnretiredPages;
      DecidedVm vm(PolicyOf({Telling(RuleOf("r", counted, 1, 60s))}));
      vm.GoesBad(happened);
      if (overdue) vm.After(60s);
      EXPECT_EQ(vm.Words().empty(), counted != happened)
          << ToString(counted) << " " << ToString(happened);
    }
  }
}

TEST(Decide, AnUnretiredPageCountsWhenItsTimeIsOver) {
  DecidedVm vm(PolicyOf({Telling(RuleOf("late", Condition::kUnretiredPages, 1, 60s))}));
  vm.GoesBad(Condition::kUnretiredPages);
  const Outcome early = vm.Decides();
  EXPECT_TRUE(early.decisions.empty());
  EXPECT_EQ(early.again, kStart + 60s);
  vm.After(60s);
  EXPECT_EQ(vm.Words(), "late:notify(ops):pending ");
}

TEST(Decide, ActsAgainOnNewsOnlyAndNotWithinTheDuplicateWindow) {
  DecidedVm vm(PolicyOf({Telling(RuleOf("any", Condition::kPages, 1, 86400s))}));
  vm.GoesBad(Condition::kPages);
  EXPECT_EQ(vm.Words(), "any:notify(ops):pending ");
  vm.After(3600s);
  EXPECT_EQ(vm.Words(), "") << "nothing new";
  vm.GoesBad(Condition::kPages);
  EXPECT_EQ(vm.Words(), "any:notify(ops):pending ");
  vm.After(299s);
  vm.GoesBad(Condition::kPages);
  const Outcome duplicate = vm.Decides();
  EXPECT_TRUE(duplicate.decisions.empty());
  EXPECT_EQ(duplicate.rules[0].actions[0].judgement, Judgement::kDuplicate);
  EXPECT_EQ(duplicate.again, vm.now + 1s);
  vm.After(1s);
  EXPECT_EQ(vm.Words(), "any:notify(ops):pending ");
}

TEST(Decide, NewMemoryBeginsWithoutAPastButForTheDuplicateWindow) {
  DecidedVm vm(PolicyOf({Doing(RuleOf("uc", Condition::kUncontainableEvents, 1, 3600s),
                               Intervention::kColdRestart)}));
  vm.GoesBad(Condition::kUncontainableEvents);
  EXPECT_EQ(vm.Words(), "uc:cold_restart:pending ");
  vm.AllIsDone();
  vm.Restarts();
  EXPECT_EQ(vm.Words(), "");
  vm.GoesBad(Condition::kUncontainableEvents);
  EXPECT_EQ(vm.Words(), "") << "within the duplicate window";
  vm.After(300s);
  EXPECT_EQ(vm.Words(), "uc:cold_restart:pending ");
}

TEST(Decide, OneInterventionAtATimeAndTheStrongestFirst) {
  DecidedVm vm(PolicyOf({Doing(RuleOf("a", Condition::kPages, 1, 60s), Intervention::kPause),
                         Doing(RuleOf("b", Condition::kPages, 2, 60s), Intervention::kColdRestart),
                         Doing(RuleOf("c", Condition::kPages, 2, 60s), Intervention::kReset)}));
  vm.GoesBad(Condition::kPages, 2);
  const Outcome outcome = vm.Decides();
  ASSERT_EQ(outcome.decisions.size(), 1u);
  EXPECT_EQ(outcome.decisions[0].rule, "b");
  EXPECT_EQ(outcome.rules[0].actions[0].judgement, Judgement::kBusy);
  EXPECT_EQ(outcome.rules[2].actions[0].judgement, Judgement::kBusy);
  EXPECT_EQ(vm.Words(), "") << "as long as it is open";
  vm.AllIsDone();
  EXPECT_EQ(vm.Words(), "") << "the stronger one has answered the weaker ones' facts, too";
  vm.After(300s);
  vm.GoesBad(Condition::kPages);
  EXPECT_EQ(vm.Words(), "a:pause:pending ") << "one within 60 s";
}

TEST(Decide, LimitsHoldBackAndSaySoOnce) {
  EffectivePolicy policy = PolicyOf({Telling(RuleOf("any", Condition::kPages, 1, 60s))});
  policy.duplicate_window = 0s;
  policy.limits.vm_notifications = 1;
  DecidedVm vm(policy);
  vm.GoesBad(Condition::kPages);
  EXPECT_EQ(vm.Words(), "any:notify(ops):pending ");
  vm.After(1s);
  vm.GoesBad(Condition::kPages);
  EXPECT_EQ(vm.Words(), "any:notify(ops):limited ");
  const Outcome again = vm.Decides();
  EXPECT_TRUE(again.decisions.empty()) << "said already";
  EXPECT_EQ(again.rules[0].actions[0].judgement, Judgement::kLimited);
  EXPECT_EQ(again.again, vm.now + 60s);
  vm.history.spent.vm_notifications = 0;
  EXPECT_EQ(vm.Words(), "any:notify(ops):pending ") << "the limit is free, and the rule holds";
}

TEST(Decide, TheHostsLimitsCountAllVms) {
  DecidedVm vm(PolicyOf({Doing(RuleOf("r", Condition::kPages, 1, 60s), Intervention::kReset),
                         Telling(RuleOf("n", Condition::kPages, 1, 60s))}));
  vm.history.spent.host_interventions = 5;
  vm.history.spent.host_notifications = 199;
  vm.GoesBad(Condition::kPages);
  EXPECT_EQ(vm.Words(), "n:notify(ops):pending r:reset:limited ");
}

TEST(Decide, ADryRunDecidesAndSaysSo) {
  EffectivePolicy policy =
      PolicyOf({Doing(RuleOf("r", Condition::kPages, 1, 60s), Intervention::kReset)});
  policy.dry_run = true;
  DecidedVm vm(policy);
  vm.GoesBad(Condition::kPages);
  EXPECT_EQ(vm.Words(), "r:reset:dry_run ");
  EXPECT_EQ(vm.Words(), "");
}

TEST(Decide, AClockThatWasSetBackRepeatsNothing) {
  DecidedVm vm(PolicyOf({Telling(RuleOf("any", Condition::kPages, 1, 60s))}));
  vm.GoesBad(Condition::kPages);
  EXPECT_EQ(vm.Words(), "any:notify(ops):pending ");
  vm.After(-7200s);
  vm.GoesBad(Condition::kPages);
  EXPECT_EQ(vm.Words(), "");
}

TEST(PolicyFor, TheFirstMatchThenTheDomainsOwnWord) {
  PolicyConfig config;
  config.rules = {RuleOf("a", Condition::kPages, 1, 60s), RuleOf("b", Condition::kPages, 2, 60s)};
  VmPolicy web;
  web.disable = {"a"};
  web.rules = {RuleOf("b", Condition::kPages, 20, 60s), RuleOf("w", Condition::kPages, 5, 60s)};
  config.vms.push_back({{*Glob::Parse("db-*"), *Glob::Parse("web-*")}, web});
  config.vms.push_back({{*Glob::Parse("*")}, VmPolicy{true, false, {}, {}}});
  const auto words = [](const EffectivePolicy& policy) {
    std::string text = policy.dry_run ? "dry " : "";
    for (const Rule& rule : policy.rules) text += rule.name + std::to_string(rule.at_least) + " ";
    return text;
  };
  EXPECT_EQ(words(PolicyFor(config, "web-1", nullptr)), "b20 w5 ");
  EXPECT_EQ(words(PolicyFor(config, "other", nullptr)), "dry a1 b2 ");
  VmPolicy own;
  own.dry_run = true;
  own.disable = {"w"};
  EXPECT_EQ(words(PolicyFor(config, "web-1", &own)), "dry b20 ");
}

}  // namespace
}  // namespace seaward::policy
