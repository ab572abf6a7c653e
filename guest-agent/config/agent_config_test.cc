#include "guest-agent/config/agent_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaward::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> ErrorsOf(std::string_view text) {
  std::vector<std::string> lines;
  const auto config = ParseAgentConfig("agent.yaml", text);
  if (!config)
    for (const auto& diagnostic : config.error()) lines.push_back(diagnostic.Render());
  return lines;
}

TEST(AgentConfig, AnEmptyFileMeansTheDefaults) {
  const auto parsed = ParseAgentConfig("agent.yaml", "");
  ASSERT_TRUE(parsed);
  const AgentConfig defaults;
  EXPECT_EQ(parsed->channel_name, defaults.channel_name);
  EXPECT_EQ(parsed->journal, defaults.journal);
  EXPECT_EQ(parsed->run_dir, defaults.run_dir);
  EXPECT_EQ(parsed->log_level, defaults.log_level);
  EXPECT_EQ(parsed->lock_memory, defaults.lock_memory);
  EXPECT_EQ(parsed->budget.max_mib, defaults.budget.max_mib);
  EXPECT_EQ(parsed->budget.max_percent, defaults.budget.max_percent);
  EXPECT_EQ(parsed->budget.node_percent, defaults.budget.node_percent);
  EXPECT_EQ(parsed->mode, defaults.mode);
  EXPECT_EQ(parsed->hugetlb, defaults.hugetlb);
  EXPECT_EQ(parsed->rate.pages_per_s, defaults.rate.pages_per_s);
  EXPECT_EQ(parsed->rate.burst, defaults.rate.burst);
  EXPECT_EQ(parsed->retry.initial, defaults.retry.initial);
  EXPECT_EQ(parsed->retry.max, defaults.retry.max);
  EXPECT_EQ(parsed->early.wait, defaults.early.wait);
  EXPECT_EQ(parsed->early.limit, defaults.early.limit);
  EXPECT_EQ(parsed->next_boot.list, defaults.next_boot.list);
  EXPECT_EQ(parsed->next_boot.esp, defaults.next_boot.esp);
  EXPECT_EQ(parsed->next_boot.max_ranges, defaults.next_boot.max_ranges);
  EXPECT_EQ(parsed->next_boot.kernel_room_mib, defaults.next_boot.kernel_room_mib);
}

TEST(AgentConfig, WordsChooseTheModeAndTheFateOfHugePages) {
  const auto parsed = ParseAgentConfig("agent.yaml", "mode: account\nhugetlb: defer\n");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->mode, Mode::kAccount);
  EXPECT_EQ(parsed->hugetlb, HugetlbChoice::kDefer);
  EXPECT_THAT(ErrorsOf("hugetlb: keep\n"), ElementsAre(HasSubstr("agent.yaml:1:10: error: ")));
}

TEST(AgentConfig, AllErrorsComeAtOnceWithLineAndColumn) {
  EXPECT_THAT(
      ErrorsOf("jurnal: /var/lib/j\n"
               "log_level: loud\n"
               "budget:\n"
               "  max_percent: 101\n"
               "retry: {initial_ms: 1000, max_ms: 20}\n"
               "next_boot: {esp: boot/efi, max_ranges: 257}\n"),
      ElementsAre(HasSubstr("agent.yaml:1:1: error: unknown key 'jurnal'; did you mean "
                            "'journal'?"),
                  HasSubstr("agent.yaml:2:12: error: "), HasSubstr("agent.yaml:4:16: error: "),
                  HasSubstr("agent.yaml:5:35: error: "),
                  HasSubstr("agent.yaml:6:18: error: 'next_boot.esp' is 'auto' or an absolute"),
                  HasSubstr("agent.yaml:6:40: error: ")));
}

TEST(AgentConfig, TheShippedFileIsAcceptedAndShowsTheDefaults) {
  const auto shipped =
      LoadAgentConfig(std::string(SEAWARD_SOURCE_DIR) + "/configs/guest/agent.yaml");
  ASSERT_TRUE(shipped) << yaml::Render(shipped.error());
  const AgentConfig defaults;
  EXPECT_EQ(shipped->journal, defaults.journal);
  EXPECT_EQ(shipped->budget.max_mib, defaults.budget.max_mib);
  EXPECT_EQ(shipped->retry.max, defaults.retry.max);
  EXPECT_EQ(shipped->early.limit, defaults.early.limit);
  EXPECT_EQ(shipped->next_boot.kernel_room_mib, defaults.next_boot.kernel_room_mib);
}

}  // namespace
}  // namespace seaward::agent
