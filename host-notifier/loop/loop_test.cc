#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-notifier/loop/fd_watch.h"
#include "host-notifier/loop/loop_fixture.h"
#include "host-notifier/loop/loop_timer.h"
#include "host-notifier/loop/process_watch.h"

namespace seaward {
namespace {

TEST_F(LoopTest, TimerDestroyedAfterItExpiredStaysSilent) {
  bool called = false;
  auto timer = std::make_unique<LoopTimer>(loop_);
  timer->Start(std::chrono::nanoseconds(0), [&] { called = true; });
  LoopTimer other(loop_);
  bool other_called = false;
  other.Start(std::chrono::milliseconds(1), [&] { other_called = true; });
  timer.reset();
  RunUntil([&] { return other_called; });
  EXPECT_FALSE(called);
}

TEST_F(LoopTest, StartingATimerAgainReplacesIt) {
  int first = 0;
  int second = 0;
  LoopTimer timer(loop_);
  timer.Start(std::chrono::nanoseconds(0), [&] { ++first; });
  timer.Start(std::chrono::nanoseconds(0), [&] { ++second; });
  RunUntil([&] { return second == 1; });
  EXPECT_EQ(0, first);
}

TEST_F(LoopTest, WatchCallsAgainWhileReadableAndEndsInsideItsOwnCall) {
  const UniqueFd event(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  int calls = 0;
  std::unique_ptr<FdWatch> watch;
  auto made = FdWatch::Watch(loop_, event.get(), [&] {
    if (++calls == 3) watch.reset();
  });
  ASSERT_TRUE(made);
  watch = std::move(*made);
  RunUntil([&] { return calls == 3; });
  loop_.restart();
  loop_.poll();
  EXPECT_EQ(3, calls);
}

TEST_F(LoopTest, TellsWhenAProcessEnds) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) ::pause();
  }
  const auto identity = IdentifyProcess(child, "/proc");
  ASSERT_TRUE(identity);
  bool ended = false;
  const auto watch = WatchProcess(loop_, *identity, [&] { ended = true; });
  ASSERT_TRUE(watch);
  loop_.poll();
  EXPECT_FALSE(ended);
  ::kill(child, SIGKILL);
  RunUntil([&] { return ended; });
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(ErrorCode::kNotFound, WatchProcess(loop_, *identity, [] {}).error().code);
}

TEST_F(LoopTest, APidWithAnotherStartTimeIsAnotherProcess) {
  ProcessIdentity self = *IdentifyProcess(::getpid(), "/proc");
  ++self.start_ticks;
  EXPECT_EQ(ErrorCode::kNotFound, WatchProcess(loop_, self, [] {}).error().code);
}

}  // namespace
}  // namespace seaward
