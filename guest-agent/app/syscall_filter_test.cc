#include "guest-agent/app/syscall_filter.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>
#include <thread>

#include "base/journal_sink.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"
#include "guest-agent/app/change_watcher.h"
#include "guest-agent/app/rehearsal.h"
#include "guest-agent/journal/journal_writer.h"

namespace seaward::agent {
namespace {

// How a child ends that does `act` behind the filter; it exits with 0 when `act` says true.
int EndBehindTheFilter(const std::function<bool()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!FilterSystemCalls()) ::_exit(2);
    ::_exit(act() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

void ExpectKilled(const std::function<bool()>& act) {
  const int status = EndBehindTheFilter(act);
  ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

void ExpectWorks(const std::function<bool()>& act) {
  const int status = EndBehindTheFilter(act);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(SyscallFilter, ANewProcessEndsTheAgent) {
  ExpectKilled([] { return ::fork() >= 0; });
}

TEST(SyscallFilter, ASocketToOthersEndsTheAgent) {
  ExpectKilled([] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0; });
  ExpectKilled([] { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0; });
}

TEST(SyscallFilter, MemoryThatCanBeExecutedEndsTheAgent) {
  ExpectKilled([] {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
  });
}

TEST(SyscallFilter, TracingMountsModulesAndIdentitiesEndTheAgent) {
  ExpectKilled([] { return ::ptrace(PTRACE_ATTACH, 1, nullptr, nullptr) == 0; });
  ExpectKilled([] { return ::syscall(SYS_mount, "a", "b", "c", 0, nullptr) == 0; });
  ExpectKilled([] { return ::syscall(SYS_finit_module, -1, "", 0) == 0; });
  ExpectKilled([] { return ::syscall(SYS_setresuid, 1, 1, 1) == 0; });
  ExpectKilled([] { return ::syscall(SYS_process_vm_readv, 1, nullptr, 0, nullptr, 0, 0) == 0; });
}

TEST(SyscallFilter, TheRetirementPathWorks) {
  ExpectWorks([] { return RehearseRetirement(PageSize{}); });
}

TEST(SyscallFilter, AThreadAndTheKernelsEventsWork) {
  ExpectWorks([] {
    bool ran = false;
    std::thread([&ran] { ran = true; }).join();
    return ran && ChangeWatcher::Open().has_value();
  });
}

// The thread may get the processor for the first time when the filter is there already, and does
// for sure in an agent that started itself again.
TEST(SyscallFilter, AJournalWhoseThreadStartsBehindItIsSaved) {
  const std::string path = ::testing::TempDir() + "filtered-journal-" + std::to_string(::getpid());
  ExpectWorks([&] {
    bool saved = false;
    JournalWriter(path, [&saved](const Status& done, const JournalContent&) {
      saved = done.has_value();
    }).Save({});
    return saved;
  });
  ::unlink(path.c_str());
}

TEST(SyscallFilter, RealTimePriorityForItselfEndsTheAgent) {
  ExpectKilled([] {
    const sched_param first{.sched_priority = 1};
    return ::sched_setscheduler(0, SCHED_FIFO, &first) == 0;
  });
}

TEST(SyscallFilter, RecordsReachTheJournalOfAnAgentThatRunsOnAndOfOneThatStartsAgain) {
  const std::string path = ::testing::TempDir() + "journal-" + std::to_string(::getpid());
  const UniqueFd journal(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto address = UnixAddress(path);
  ASSERT_EQ(::bind(journal.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)),
            0);
  const auto before = JournalSink::Open(path, "agent");
  ASSERT_TRUE(before);
  ExpectWorks([&] {
    before->Tell({LogLevel::kInfo, "first", {}});
    const auto again = JournalSink::Open(path, "agent");
    if (again == nullptr) return false;
    again->Tell({LogLevel::kInfo, "second", {}});
    return true;
  });
  char datagram[256];
  for (int i = 0; i < 2; ++i)
    EXPECT_GT(::recv(journal.get(), datagram, sizeof(datagram), MSG_DONTWAIT), 0) << i;
  ::unlink(path.c_str());
}

TEST(SyscallFilter, TheAgentMayStartItselfAgainUnderIt) {
  // A static program needs less than this shell, which is enough to see that execve is allowed: it
  // ends by itself, or for a call that only a dynamic program makes.
  const int status = EndBehindTheFilter([] {
    ::execl("/proc/self/exe", "again", "--gtest_filter=Nothing", nullptr);
    return false;
  });
  EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << "execve was refused";
}

}  // namespace
}  // namespace seaward::agent
