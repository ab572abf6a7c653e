#include "host-notifier/action/hook_process.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "host-notifier/loop/loop_fixture.h"

namespace seaward::action {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::HasSubstr;
using testing::StartsWith;

class HookProcessTest : public LoopTest {
 protected:
  HookProcessTest() {
    char name[] = "/tmp/swhookXXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~HookProcessTest() override { std::filesystem::remove_all(folder_); }

  // A shell script as the hook; what it writes to "$1" can be read back.
  void Run(const std::string& script, const std::string& input = "",
           std::chrono::milliseconds deadline = 20s) {
    auto started = HookProcess::Start(
        loop_, {"/bin/sh", {"-c", script, "hook", folder_ + "/out"}, input, deadline},
        [this](const HookEnd& end) {
          end_ = end;
          process_.reset();  // as an owner may
        });
    ASSERT_TRUE(started) << started.error().Text();
    process_ = std::move(*started);
  }
  HookEnd EndOf(const std::string& script, const std::string& input = "",
                std::chrono::milliseconds deadline = 20s) {
    Run(script, input, deadline);
    RunUntil([this] { return end_.has_value(); });
    return end_.value_or(HookEnd{});
  }
  std::string Out() const {
    std::ifstream in(folder_ + "/out");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  // A zombie does not: whoever inherits orphans may be slow to reap them.
  static bool Lives(pid_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string number;
    std::string name;
    std::string state;
    stat >> number >> name >> state;
    return !state.empty() && state != "Z";
  }

  std::string folder_;
  std::unique_ptr<HookProcess> process_;
  std::optional<HookEnd> end_;
};

TEST_F(HookProcessTest, ReadsItsInputToTheEndAndSaysHowItEnded) {
  const std::string input(100000, 'x');
  const HookEnd end = EndOf("wc -c > \"$1\"; echo told", input);
  EXPECT_TRUE(end.succeeded);
  EXPECT_EQ(end.text, "exit 0");
  EXPECT_EQ(std::stoi(Out()), 100000);
}

TEST_F(HookProcessTest, AFailureBringsItsLastWords) {
  EXPECT_EQ(EndOf("echo first; printf 'no such\\tqueue\\n' >&2; exit 3").text,
            "exit 3: no such?queue");
  EXPECT_FALSE(end_->succeeded);
}

TEST_F(HookProcessTest, OneThatHangsIsKilledAtItsDeadlineWithItsWholeGroup) {
  // The child ignores SIGTERM and holds the output open, as a stuck program would.
  const HookEnd end = EndOf("trap '' TERM; sleep 1000 & echo $! > \"$1\"; wait", "", 300ms);
  EXPECT_FALSE(end.succeeded);
  EXPECT_THAT(end.text, StartsWith("killed at its deadline of 300 ms"));
  const pid_t child = std::stoi(Out());
  RunUntil([&] { return !Lives(child); });
}

TEST_F(HookProcessTest, OneThatNeverReadsItsInputHoldsNobodyUp) {
  EXPECT_TRUE(EndOf("exec 0<&-; exit 0", std::string(1 << 20, 'x')).succeeded);
}

TEST_F(HookProcessTest, OneThatFloodsIsKilled) {
  const HookEnd end = EndOf("while :; do echo flood; done");
  EXPECT_FALSE(end.succeeded);
  EXPECT_THAT(end.text, StartsWith("killed after 1048576 bytes of output"));
}

TEST_F(HookProcessTest, WhatItLeavesBehindIsKilledWhenItEnds) {
  const HookEnd end = EndOf("sleep 1000 & echo $! > \"$1\"");
  EXPECT_TRUE(end.succeeded) << end.text;
  const pid_t child = std::stoi(Out());
  RunUntil([&] { return !Lives(child); });
}

TEST_F(HookProcessTest, KnowsNothingOfTheNotifiersEnvironmentAndDescriptors) {
  ::setenv("SEAWARD_SECRET", "x", 1);
  constexpr int kOpen = 100;  // ls opens a low one itself
  ASSERT_EQ(::dup2(1, kOpen), kOpen) << "and without CLOEXEC";
  EXPECT_TRUE(EndOf("env > \"$1\"; ls /proc/self/fd >> \"$1\"; pwd >> \"$1\"").succeeded);
  ::close(kOpen);
  EXPECT_EQ(Out().find("SECRET"), std::string::npos);
  EXPECT_EQ(Out().find("\n100\n"), std::string::npos) << Out();
  EXPECT_THAT(Out(), HasSubstr("\n/\n"));
}

TEST_F(HookProcessTest, ASignalIsNamed) {
  EXPECT_EQ(EndOf("kill -SEGV $$").text, "died of signal 11");
}

TEST_F(HookProcessTest, ManyAtOnceAreToldApart) {
  std::vector<std::unique_ptr<HookProcess>> processes;
  std::vector<std::string> ends(10);
  std::size_t ended = 0;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    auto started =
        HookProcess::Start(loop_, {"/bin/sh", {"-c", "exit " + std::to_string(i)}, "", 20s},
                           [&, i](const HookEnd& end) {
                             ends[i] = end.text;
                             ++ended;
                           });
    ASSERT_TRUE(started);
    processes.push_back(std::move(*started));
  }
  RunUntil([&] { return ended == ends.size(); });
  for (std::size_t i = 0; i < ends.size(); ++i) EXPECT_EQ(ends[i], "exit " + std::to_string(i));
}

TEST_F(HookProcessTest, AProgramThatIsNotThereIsAnErrorAtOnce) {
  const auto started =
      HookProcess::Start(loop_, {folder_ + "/nothing", {}, "", 1s}, [](const HookEnd&) { FAIL(); });
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kNotFound);
}

TEST_F(HookProcessTest, LetGoItIsKilledAndSaysNothing) {
  Run("echo $$ > \"$1\"; sleep 1000");
  RunUntil([this] { return Out().ends_with('\n'); });
  const pid_t pid = std::stoi(Out());
  process_.reset();
  RunUntil([&] { return !Lives(pid); });
  EXPECT_FALSE(end_.has_value());
}

}  // namespace
}  // namespace seaward::action
