// The harness against its own command server on this machine: no guest, no root.
#include "tests/support/guest_shell.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <optional>

#include "base/file_io.h"
#include "base/unix_socket.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait_until.h"

namespace seaward::testing {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

class ShellOnThisMachine : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = ChildProcess::Start(
        {.argv = {SEAWARD_BINARY_DIR "/bin/seaward-testd", "--unix", dir_ / "testd.sock"},
         .log = dir_ / "log"});
    ASSERT_TRUE(started.has_value()) << started.error().Text();
    server_ = std::move(*started);
    auto boot = shell_->WaitForBoot("", 30s);
    ASSERT_TRUE(boot.has_value()) << boot.error().Text();
  }
  Json Exec(const std::vector<std::string>& argv, std::chrono::milliseconds limit = 30s) {
    auto reply = shell_->Ask("exec", {{"argv", argv}}, limit);
    if (!reply) throw std::runtime_error(reply.error().Text());
    return *reply;
  }

  TempDir dir_;
  ChildProcess server_;
  std::optional<GuestShell> shell_{dir_ / "testd.sock"};
};

TEST_F(ShellOnThisMachine, ReportsExitCodeOutputAndSignalOfACommand) {
  const Json failed = Exec({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(failed["exit"], 3);
  EXPECT_EQ(failed["output"], "out\nerr\n");
  EXPECT_EQ(Exec({"sh", "-c", "kill -BUS $$"})["signal"], SIGBUS);
  EXPECT_EQ(Exec({"/no/such/program"})["exit"], 127);
}

TEST_F(ShellOnThisMachine, KillsACommandThatTakesTooLong) {
  const Json reply = Exec({"sh", "-c", "echo $$; exec sleep 1000"}, 200ms);
  EXPECT_TRUE(reply.value("running", false)) << reply.dump();
  const int pid = std::stoi(reply["output"].get<std::string>());
  EXPECT_TRUE(WaitUntil([&] { return ::kill(pid, 0) != 0; }, 10s));
}

TEST_F(ShellOnThisMachine, SpawnedProcessIsWaitedForAndKilledByPid) {
  auto spawned = shell_->Ask("spawn", {{"argv", {"sleep", "1000"}}});
  ASSERT_TRUE(spawned.has_value());
  const Json pid = (*spawned)["pid"];
  auto waited = shell_->Ask("wait", {{"pid", pid}}, 100ms);
  ASSERT_TRUE(waited.has_value());
  EXPECT_TRUE(waited->value("running", false));
  ASSERT_TRUE(shell_->Ask("kill", {{"pid", pid}, {"signal", SIGTERM}}).has_value());
  waited = shell_->Ask("wait", {{"pid", pid}}, 10s);
  ASSERT_TRUE(waited.has_value());
  EXPECT_EQ(waited->value("signal", 0), SIGTERM);
}

TEST_F(ShellOnThisMachine, RefusesWhatItDoesNotKnowAndLivesOn) {
  EXPECT_FALSE(shell_->Ask("no_such_command").has_value());
  EXPECT_FALSE(shell_->Ask("kpageflags", {{"at", "4711"}}).has_value()) << "address without 0x";
  EXPECT_FALSE(shell_->Ask("victim_touch", {{"pid", 1}}).has_value());
  EXPECT_FALSE(shell_->Ask("kill", {{"pid", 1}}).has_value());
  EXPECT_FALSE(shell_->Ask("sysrq", {{"key", "o"}}).has_value());
  EXPECT_TRUE(shell_->Ask("status").has_value());
}

TEST_F(ShellOnThisMachine, LeavesGarbageBehindAndFindsItsOwnReply) {
  const std::string garbage = "}{\n\n{\"id\": \"0-0-1\", \"command\": \"status\"}\n";
  shell_.reset();  // the server takes one client at a time
  auto socket = ConnectUnix(dir_ / "testd.sock");
  ASSERT_TRUE(socket.has_value());
  ASSERT_TRUE(WriteAll(socket->get(), std::as_bytes(std::span(garbage))).has_value());
  socket->Reset();
  shell_.emplace(dir_ / "testd.sock");
  EXPECT_TRUE(shell_->Ask("status").has_value());
}

TEST_F(ShellOnThisMachine, ReachesAServerBehindAServer) {
  auto started = ChildProcess::Start(
      {.argv = {SEAWARD_BINARY_DIR "/bin/seaward-testd", "--unix", dir_ / "inner.sock"},
       .log = dir_ / "log"});
  ASSERT_TRUE(started.has_value());
  NestedGuestShell inner(*shell_, dir_ / "inner.sock");
  auto boot = inner.WaitForBoot("", 30s);
  ASSERT_TRUE(boot.has_value()) << boot.error().Text();
  auto reply = inner.Ask("exec", {{"argv", {"sh", "-c", "echo $PPID"}}});
  ASSERT_TRUE(reply.has_value()) << reply.error().Text();
  EXPECT_EQ((*reply)["output"].get<std::string>(), std::to_string(started->pid()) + "\n");
}

TEST(ChildProcess, IsGoneWithItsOwner) {
  pid_t pid = -1;
  {
    auto child = ChildProcess::Start({.argv = {"sleep", "1000"}});
    ASSERT_TRUE(child.has_value());
    pid = child->pid();
    EXPECT_EQ(::kill(pid, 0), 0);
    EXPECT_FALSE(child->Wait(50ms).has_value());
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(RunToEnd, SeparatesTheStreamsAndKillsWhatIsTooSlow) {
  auto ran = RunToEnd({"sh", "-c", "echo out; echo err >&2; exit 4"}, 30s);
  ASSERT_TRUE(ran.has_value());
  EXPECT_EQ(ran->out, "out\n");
  EXPECT_EQ(ran->err, "err\n");
  EXPECT_EQ(ran->end.exit_code, 4);
  auto slow = RunToEnd({"sleep", "1000"}, 100ms);
  ASSERT_FALSE(slow.has_value());
  EXPECT_EQ(slow.error().code, ErrorCode::kTimeout);
}

}  // namespace
}  // namespace seaward::testing
