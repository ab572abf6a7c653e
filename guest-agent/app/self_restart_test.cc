#include "guest-agent/app/self_restart.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace seaward::agent {
namespace {

std::array<char*, 4> new_image{const_cast<char*>("sh"), const_cast<char*>("-c"),
                               const_cast<char*>("exit 42"), nullptr};

// The wait status of a child that is struck by a SIGBUS of this kind.
int StatusAfterBusError(int code) {
  const pid_t child = ::fork();
  if (child == 0) {
    RestartOnOwnMemoryError("/bin/sh", new_image.data());
    siginfo_t info{};
    info.si_signo = SIGBUS;
    info.si_code = code;
    // To itself a process may send what looks like the kernel's own signal.
    ::syscall(SYS_rt_sigqueueinfo, ::getpid(), SIGBUS, &info);
    std::raise(SIGBUS);
    ::_exit(1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(SelfRestart, ALostPageOfTheAgentStartsANewImage) {
  const int status = StatusAfterBusError(BUS_MCEERR_AR);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST(SelfRestart, AnyOtherBusErrorKills) {
  const int status = StatusAfterBusError(BUS_ADRERR);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGBUS);
}

}  // namespace
}  // namespace seaward::agent
