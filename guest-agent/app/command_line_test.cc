#include "guest-agent/app/command_line.h"

#include <gtest/gtest.h>

#include <vector>

namespace seaward::agent {
namespace {

Result<CommandLine> Parse(std::vector<const char*> words) {
  return ParseCommandLine(words);
}

TEST(CommandLine, NamesTheCommandAndTheFile) {
  const auto run = Parse({"run"});
  EXPECT_EQ(run->command, Command::kRun);
  EXPECT_EQ(run->config_path, "/etc/seaward/agent.yaml");
  EXPECT_FALSE(run->config_required);
  const auto early = Parse({"--config", "/tmp/a.yaml", "early"});
  EXPECT_EQ(early->command, Command::kEarly);
  EXPECT_EQ(early->config_path, "/tmp/a.yaml");
  EXPECT_TRUE(early->config_required);
  EXPECT_EQ(Parse({"replay"})->command, Command::kReplay);
  EXPECT_EQ(Parse({"--check-config"})->command, Command::kCheckConfig);
  EXPECT_EQ(Parse({"--version"})->command, Command::kVersion);
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
  for (const std::vector<const char*>& words : std::vector<std::vector<const char*>>{
           {}, {"walk"}, {"run", "early"}, {"run", "--config"}, {"--config", "x"}, {"run", ""}})
    EXPECT_FALSE(Parse(words));
}

TEST(CommandLine, InstallingNeedsAMethodAndNothingElseTakesOne) {
  const auto line = Parse({"install-boot", "--method", "grub"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->command, Command::kInstallBoot);
  EXPECT_EQ(line->method, BootMethod::kGrub);
  EXPECT_EQ(Parse({"--method", "none", "install-boot"})->method, BootMethod::kNone);
  EXPECT_EQ(Parse({"sync-boot"})->command, Command::kSyncBoot);
  EXPECT_EQ(Parse({"uninstall-boot"})->command, Command::kUninstallBoot);
  EXPECT_FALSE(Parse({"install-boot"}));
  EXPECT_FALSE(Parse({"install-boot", "--method"}));
  EXPECT_FALSE(Parse({"install-boot", "--method", "lilo"}));
  EXPECT_FALSE(Parse({"run", "--method", "grub"}));
}

}  // namespace
}  // namespace seaward::agent
