// Commands through an agent that says what the test has it say.
#include "host-notifier/chaos/guest_exec.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host-notifier/chaos/chaos_fakes_fixture.h"
#include "host-notifier/chaos/libvirt_victim.h"

namespace seaward::chaos {
namespace {

using nlohmann::json;
using std::chrono_literals::operator""s;

struct ScriptedAgent {
  std::vector<std::string> answers;
  std::vector<json> asked;
  Result<std::string> operator()(const std::string& command) {
    asked.push_back(json::parse(command));
    if (answers.empty()) return Fail(ErrorCode::kUnsupported, "no agent");
    std::string answer = answers.front();
    if (answers.size() > 1) answers.erase(answers.begin());
    return answer;
  }
};

TEST(GuestExec, RunsAScriptToItsEnd) {
  ScriptedAgent agent{{R"({"return":{"pid":71}})", R"({"return":{"exited":false}})",
                       R"({"return":{"exited":true,"exitcode":5}})"},
                      {}};
  FakeWaiting waiting;
  const auto code = RunInGuest(std::ref(agent), "echo \"$x\"", waiting, 10s);
  ASSERT_TRUE(code) << code.error().Text();
  EXPECT_EQ(*code, 5);
  ASSERT_EQ(agent.asked.size(), 3U);
  EXPECT_EQ(agent.asked[0]["arguments"]["path"], "/bin/sh");
  EXPECT_EQ(agent.asked[0]["arguments"]["arg"], json({"-c", "echo \"$x\""}));
  EXPECT_EQ(agent.asked[2]["execute"], "guest-exec-status");
  EXPECT_EQ(agent.asked[2]["arguments"]["pid"], 71);
}

TEST(GuestExec, ACommandThatDoesNotEndIsGivenUp) {
  ScriptedAgent agent{{R"({"return":{"pid":1}})", R"({"return":{"exited":false}})"}, {}};
  FakeWaiting waiting;
  const auto code = RunInGuest(std::ref(agent), "sleep 9", waiting, 2s);
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, ErrorCode::kTimeout);
}

TEST(GuestExec, AnAgentThatMayNotOrIsNotThereIsNoFailure) {
  FakeWaiting waiting;
  for (const std::string answer :
       {R"({"error":{"class":"CommandNotFound"}})", "no json", "[]", ""}) {
    ScriptedAgent agent{answer.empty() ? std::vector<std::string>{} : std::vector{answer}, {}};
    const auto code = RunInGuest(std::ref(agent), "true", waiting, 2s);
    ASSERT_FALSE(code) << answer;
    EXPECT_EQ(code.error().code, ErrorCode::kUnsupported) << answer;
  }
}

TEST(GuestExec, ACommandThatWasKilledHasNoCode) {
  ScriptedAgent agent{{R"({"return":{"pid":1}})", R"({"return":{"exited":true,"signal":9}})"}, {}};
  FakeWaiting waiting;
  const auto code = RunInGuest(std::ref(agent), "true", waiting, 2s);
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, ErrorCode::kIo);
}

TEST(LibvirtVictim, ReadsWhatQemuSaysOfAnAddress) {
  EXPECT_EQ(ParseHostAddress("Host virtual address for 0x48000000 (mach-virt.ram) is "
                             "0x7f12a4000000\r\n")
                ->value,
            0x7f12a4000000U);
  EXPECT_FALSE(ParseHostAddress("No memory is mapped at address 0x1\r\n"));
  EXPECT_FALSE(ParseHostAddress(""));
  EXPECT_FALSE(ParseHostAddress("address is 0xnone"));
}

TEST(LibvirtVictim, InjectsTheGuestsOwnFrame) {
  EXPECT_NE(InjectScript({0x48001000}).find("$((0x48001000 / $(getconf PAGESIZE)))"),
            std::string::npos);
}

}  // namespace
}  // namespace seaward::chaos
