// Scenario files: what is taken, and every mistake with its line and column.
#include "host-notifier/chaos/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace seaward::chaos {
namespace {

std::vector<std::string> ErrorsOf(const std::string& text) {
  std::vector<std::string> errors;
  const auto loaded = ParseScenario("s.yaml", text);
  if (!loaded)
    for (const yaml::Diagnostic& wrong : loaded.error()) errors.push_back(wrong.Render());
  return errors;
}

TEST(Scenario, IsWhatItsFileSays) {
  const auto loaded =
      ParseScenario("s.yaml",
                    "about: two kinds\n"
                    "order: drawn\n"
                    "draw: 7\n"
                    "settle_s: 30\n"
                    "pace: {min_ms: 5, max_ms: 50}\n"
                    "memory: {start_mib: 0, size_mib: 64}\n"
                    "steps:\n"
                    "  - {do: poison, how: host_frame, evidence: consumed, pages: 3}\n"
                    "  - {do: wait, for_s: 4, weight: 9}\n");
  ASSERT_TRUE(loaded) << yaml::Render(loaded.error());
  EXPECT_EQ(loaded->about, "two kinds");
  EXPECT_EQ(loaded->order, Order::kDrawn);
  EXPECT_EQ(loaded->draw, 7U);
  EXPECT_EQ(loaded->settle_limit, std::chrono::seconds(30));
  EXPECT_EQ(loaded->pace_min, std::chrono::milliseconds(5));
  EXPECT_EQ(loaded->pace_max, std::chrono::milliseconds(50));
  EXPECT_EQ(loaded->memory_start.value, 0U);
  EXPECT_EQ(loaded->memory_bytes, std::uint64_t{64} << 20);
  ASSERT_EQ(loaded->steps.size(), 2U);
  EXPECT_EQ(loaded->steps[0].act, Act::kPoison);
  EXPECT_EQ(loaded->steps[0].way, PoisonWay::kHostFrame);
  EXPECT_EQ(loaded->steps[0].evidence, protocol::Evidence::kConsumed);
  EXPECT_EQ(loaded->steps[0].pages, 3U);
  EXPECT_EQ(loaded->steps[1].wait, std::chrono::seconds(4));
  EXPECT_EQ(loaded->steps[1].weight, 9U);
}

TEST(Scenario, EveryMistakeIsNamedWithItsPlace) {
  EXPECT_THAT(
      ErrorsOf("about: x\n"
               "settle_s: 0\n"
               "stpes: []\n"
               "steps:\n"
               "  - do: posion\n"
               "  - do: pause\n"
               "    pages: 4\n"
               "  - do: poison\n"
               "    how: host_frame\n"
               "    evidence: predicted\n"
               "    weight: 2\n"),
      ::testing::ElementsAre(
          ::testing::HasSubstr("s.yaml:2:11: error: 'settle_s'"),
          ::testing::HasSubstr("s.yaml:3:1: error: unknown key 'stpes'; did you mean 'steps'?"),
          ::testing::HasSubstr("s.yaml:5:9: error: 'steps[].do' must be one of"),
          "s.yaml:7:12: error: 'pages' does not go with 'do: pause'",
          "s.yaml:10:15: error: only with 'how: report' can an error be predicted",
          "s.yaml:11:13: error: 'weight' goes with 'order: drawn'"));
}

TEST(Scenario, WhatCannotBePlayedIsRefused) {
  const std::pair<const char*, const char*> wrong[] = {
      {"about: x\n", "s.yaml:1:1: error: no 'steps'"},
      {"about: x\nsteps: [{do: poison_again}]\n",
       "s.yaml:2:9: error: 'poison_again' before any 'poison'"},
      {"about: x\nsteps: [{do: pause}, {do: settle}]\n",
       "s.yaml:2:22: error: 'settle' while the VM is paused: 'resume' it before"},
      {"about: x\nsteps: [{do: resume}]\n",
       "s.yaml:2:9: error: 'resume' of a VM that is not paused"},
      {"about: x\nrounds: 2\nsteps: [{do: pause}]\n",
       "s.yaml:3:9: error: 'pause' while the VM is paused: 'resume' it before"},
      {"about: x\norder: drawn\nsteps: [{do: reset}]\n",
       "s.yaml:2:8: error: 'order: drawn' wants 'draw': how many steps"},
      {"about: x\ndraw: 3\nsteps: [{do: reset}]\n",
       "s.yaml:2:7: error: 'draw' goes with 'order: drawn'; use 'rounds'"},
      {"about: x\norder: drawn\ndraw: 3\nrounds: 2\nsteps: [{do: reset}]\n",
       "s.yaml:4:9: error: 'rounds' goes with 'order: listed'; use 'draw'"},
      {"about: x\norder: drawn\ndraw: 3\nsteps: [{do: reset}, {do: pause}]\n",
       "s.yaml:4:22: error: 'pause' without any 'resume'"},
      {"about: x\norder: drawn\ndraw: 3\nsteps: [{do: settle}]\n",
       "s.yaml:4:9: error: nothing here does anything: want more than 'pause', 'resume', "
       "'poison_again' and 'settle'"},
      {"about: x\npace: {min_ms: 9, max_ms: 8}\nsteps: [{do: reset}]\n",
       "s.yaml:2:27: error: 'max_ms' is less than 'min_ms'"},
      {"about: x\nmemory: {start_mib: 4294967295, size_mib: 2}\nsteps: [{do: reset}]\n",
       "s.yaml:2:43: error: there is no memory beyond 2^52 bytes"},
  };
  for (const auto& [text, error] : wrong)
    EXPECT_THAT(ErrorsOf(text), ::testing::ElementsAre(error)) << text;
}

TEST(Scenario, EveryShippedOneLoads) {
  std::size_t loaded = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(SEAWARD_SOURCE_DIR "/configs/chaos")) {
    const auto scenario = LoadScenario(file.path());
    EXPECT_TRUE(scenario) << yaml::Render(scenario.error());
    ++loaded;
  }
  EXPECT_GE(loaded, 4U);
}

TEST(Permission, WordsAreReadBackAndAWrongOneIsCorrected) {
  for (const Permission permission : {Permission::kMemory, Permission::kMachine, Permission::kAgent,
                                      Permission::kNotifier, Permission::kHostMemory})
    EXPECT_EQ(ParsePermission(ToString(permission)).value(), permission);
  const auto wrong = ParsePermission("memroy");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().context, "unknown permission 'memroy'; did you mean 'memory'?");
}

}  // namespace
}  // namespace seaward::chaos
