// `policy:` of notifier.yaml and of a domain's metadata, wrong in every way that people type it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host-notifier/config/notifier_config.h"
#include "host-notifier/config/policy_reader.h"

namespace seaward::config {
namespace {

using policy::Condition;
using policy::Intervention;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Errors(std::string_view text) {
  std::vector<std::string> lines;
  const auto loaded = ParseNotifierConfig("n", text);
  if (!loaded)
    for (const yaml::Diagnostic& diagnostic : loaded.error()) lines.push_back(diagnostic.Render());
  return lines;
}

constexpr std::string_view kWhole = R"(policy:
  dry_run: true
  duplicate_window_s: 60
  limits: {window_s: 7200, vm_interventions: 1}
  hooks:
    - name: ops
      program: /usr/local/bin/tell
      arguments: [--queue, memory errors]
      attempts: 1
  webhooks:
    - name: siem
      url: https://siem.example:8443/in
      token_file: /etc/seaward/token
  rules:
    - name: many
      when: pages
      at_least: 8
      within_s: 3600
      notify: [ops, siem]
    - name: late
      when: unretired_pages
      for_s: 120
      act: reset
  vms:
    - match: ["db-*", "old-?"]
      disable: [late]
      rules:
        - {name: many, when: pages, at_least: 2, act: cold_restart}
)";

TEST(PolicyConfig, ReadsAWholePolicy) {
  const auto loaded = ParseNotifierConfig("n", kWhole);
  ASSERT_TRUE(loaded) << Render(loaded.error());
  const policy::PolicyConfig& policy = loaded->policy;
  EXPECT_TRUE(policy.dry_run);
  EXPECT_EQ(policy.duplicate_window.count(), 60);
  EXPECT_EQ(policy.limits.window.count(), 7200);
  EXPECT_EQ(policy.limits.vm_interventions, 1u);
  ASSERT_NE(policy.FindHook("ops"), nullptr);
  EXPECT_THAT(policy.FindHook("ops")->arguments, ElementsAre("--queue", "memory errors"));
  ASSERT_NE(policy.FindWebhook("siem"), nullptr);
  EXPECT_EQ(policy.FindWebhook("siem")->url.port, 8443);
  ASSERT_EQ(policy.rules.size(), 2u);
  EXPECT_EQ(policy.rules[0].within.count(), 3600);
  EXPECT_THAT(policy.rules[0].notify, ElementsAre("ops", "siem"));
  EXPECT_EQ(policy.rules[1].when, Condition::kUnretiredPages);
  EXPECT_EQ(policy.rules[1].unretired_for.count(), 120);
  const auto db = policy::PolicyFor(policy, "db-7", nullptr);
  ASSERT_EQ(db.rules.size(), 1u);
  EXPECT_EQ(db.rules[0].act, Intervention::kColdRestart);
  EXPECT_EQ(db.rules[0].within.count(), 86400);
}

TEST(PolicyConfig, DoesNothingUnlessTold) {
  const auto loaded = ParseNotifierConfig("n", "");
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->policy.rules.empty());
  EXPECT_TRUE(loaded->policy.hooks.empty());
}

TEST(PolicyConfig, ReportsEveryMistakeOfOneFileInOneRun) {
  EXPECT_THAT(
      Errors("policy:\n"
             "  dry_rum: true\n"
             "  duplicate_window_s: 10m\n"
             "  limits: {vm_notifications: 500}\n"
             "  hooks:\n"
             "    - {name: ops, program: bin/tell}\n"
             "    - {name: ops, program: /bin/tell, expiry_s: 5}\n"
             "  webhooks:\n"
             "    - {name: siem, url: 'http://a/', token_file: /t}\n"
             "    - {name: s p, url: 'gopher://a/'}\n"
             "  rules:\n"
             "    - {name: a, when: page, notify: [opps]}\n"
             "    - {name: a, when: pages, at_least: 0, for_s: 3, notify: [ops, ops]}\n"
             "    - {name: c, when: unretired_pages, within_s: 3, notify: ops}\n"
             "    - {name: d, act: reset, notify: [siem]}\n"
             "    - {name: e, when: lost_exits}\n"
             "  vms:\n"
             "    - {match: ['web-[1'], disable: [aa]}\n"
             "    - {match: [], rules: [{name: x, when: pages, act: restart}]}\n"),
      ElementsAre(
          "n:2:3: error: unknown key 'dry_rum'; did you mean 'dry_run'?",
          "n:3:23: error: 'policy.duplicate_window_s' must be a whole number, found '10m'; did you "
          "mean 600?",
          "n:4:30: error: one VM may have more notifications than all of the host",
          "n:6:28: error: 'policy.hooks[].program' is not an absolute path: 'bin/tell'",
          "n:7:14: error: a second hook or webhook named 'ops'",
          "n:7:49: error: 'ops' would expire before its deadline",
          "n:9:25: error: a token is sent over https:// only",
          "n:10:14: error: the name of a webhook has at most 64 letters, digits, '-', '_', '.'; "
          "found 's p'",
          "n:10:24: error: 'gopher://a/' is no web address: it must begin with http:// or https://",
          "n:12:23: error: 'policy.rules[].when' must be one of pages, suspected_events, "
          "unlocated_events, uncontainable_events, unretired_pages, lost_exits, budget_refusals, "
          "found 'page'; did you mean 'pages'?",
          "n:12:38: error: no hook or webhook is named 'opps'; did you mean 'ops'?",
          "n:13:14: error: a second rule named 'a'",
          "n:13:40: error: 'policy.rules[].at_least' is 0; want 1 to 262144",
          "n:13:50: error: 'for_s' goes with 'when: unretired_pages' alone; use 'within_s'",
          "n:13:67: error: 'ops' is named twice",
          "n:14:50: error: 'within_s' does not go with 'when: unretired_pages'; use 'for_s'",
          "n:14:61: error: 'policy.rules[].notify' must be a list, found a single value",
          "n:15:7: error: missing key 'policy.rules[].when'",
          "n:16:7: error: rule 'e' does nothing: it needs 'notify' or 'act'",
          "n:18:16: error: 'web-[1' is no pattern: a '[' without its ']'",
          "n:18:37: error: no rule is named 'aa'; did you mean 'a'?",
          "n:19:15: error: 'match' names no VM",
          "n:19:55: error: 'policy.vms[].rules[].act' must be one of none, pause, reset, "
          "cold_restart, found 'restart'"));
}

TEST(PolicyConfig, RefusesRulesThatContradictEachOther) {
  EXPECT_THAT(
      Errors("policy:\n"
             "  rules:\n"
             "    - {name: a, when: pages, at_least: 3, act: pause}\n"
             "    - {name: b, when: pages, at_least: 3, act: reset}\n"
             "    - {name: c, when: pages, at_least: 4, act: reset}\n"
             "  vms:\n"
             "    - {match: ['*'], disable: [a], rules: [{name: a, when: pages, act: reset}]}\n"
             "    - {match: [db]}\n"),
      ElementsAre("n:4:48: error: contradicts rule 'a': the same facts, another 'act'",
                  "n:7:32: error: rule 'a' is both disabled and given anew",
                  "n:8:7: error: never used: an earlier 'match' has '*', and the first "
                  "counts"));
  EXPECT_THAT(Errors("host_retire: off\npolicy:\n  rules:\n"
                     "    - {name: a, when: pages, act: cold_restart}\n"),
              ElementsAre("n:4:35: error: 'cold_restart' needs 'host_retire': the VM would get the "
                          "bad page again"));
}

TEST(PolicyConfig, RefusesWhatIsNoConfigurationAtAll) {
  const auto aliases = Errors("policy:\n  rules: &a [*a, *a]\n");
  EXPECT_THAT(aliases, Contains("n:2:10: error: anchors are not supported"));
  EXPECT_THAT(aliases, Contains("n:2:14: error: aliases are not supported"));
  EXPECT_THAT(aliases, Contains("n:2:18: error: aliases are not supported"));
  EXPECT_THAT(Errors("policy:\n\tdry_run: true\n"), ElementsAre(HasSubstr("n:2:1: error: a tab")));
  EXPECT_THAT(Errors(std::string("policy:\0", 8)), ElementsAre(HasSubstr("n:1:8: error: a NUL")));
  EXPECT_THAT(Errors("policy: " + std::string(100 << 20, ' ')),
              ElementsAre(HasSubstr("longer than 262144 bytes")));
  EXPECT_THAT(Errors("policy:\n  dry_run: true\n  dry_run: false\n"),
              ElementsAre("n:3:3: error: duplicate key 'dry_run'; first on line 2"));
  EXPECT_THAT(Errors("policy: [a]\n"), ElementsAre(HasSubstr("'policy' must be a map")));
}

std::vector<std::string> DomainErrors(std::string_view text) {
  const auto file = ParseNotifierConfig("n", kWhole);
  std::vector<std::string> lines;
  const auto loaded = ParseVmPolicy("web-1", text, file->policy, "web-1", true);
  if (!loaded)
    for (const yaml::Diagnostic& diagnostic : loaded.error()) lines.push_back(diagnostic.Render());
  return lines;
}

TEST(DomainPolicy, MayNameTheFilesRulesAndSinksAndBringRules) {
  const auto file = ParseNotifierConfig("n", kWhole);
  const auto own = ParseVmPolicy("web-1", R"(
disable: [many]
rules:
  - {name: mine, when: unlocated_events, notify: [siem]}
)",
                                 file->policy, "web-1", true);
  ASSERT_TRUE(own) << Render(own.error());
  const auto policy = policy::PolicyFor(file->policy, "web-1", &*own);
  ASSERT_EQ(policy.rules.size(), 2u);
  EXPECT_EQ(policy.rules[1].name, "mine");
}

TEST(DomainPolicy, MayNameNoProgramAndNoAddress) {
  EXPECT_THAT(DomainErrors("hooks: [{name: x, program: /bin/sh}]\n"
                           "match: ['*']\n"
                           "limits: {vm_interventions: 9}\n"
                           "disable: [manny]\n"),
              ElementsAre("web-1:1:1: error: unknown key 'hooks'",
                          HasSubstr("web-1:2:1: error: unknown key 'match'"),
                          HasSubstr("web-1:3:1: error: unknown key 'limits'"),
                          "web-1:4:11: error: no rule is named 'manny'; did you mean 'many'?"));
}

}  // namespace
}  // namespace seaward::config
