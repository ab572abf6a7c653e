#include "tests/support/testd/children.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/clock.h"

namespace seaward::testd {
namespace {

constexpr std::size_t kMaxOutput = 256U << 10;
constexpr std::size_t kMaxPacket = 64U << 10;

int LeftMs(const Clock& clock, MonoTime deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.Now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

[[noreturn]] void Become(const Command& command, int output) {
  ::setpgid(0, 0);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  signal(SIGPIPE, SIG_DFL);
  std::vector<char*> argv;
  for (const auto& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 0);
  for (const auto& setting : command.environment) ::putenv(const_cast<char*>(setting.c_str()));
  ::execvp(argv[0], argv.data());
  ::dprintf(STDERR_FILENO, "cannot run %s: errno %d\n", argv[0], errno);
  ::_exit(127);
}

// Forks and execs with both output streams on `output`.
Result<pid_t> ForkExec(const Command& command, int output) {
  if (command.argv.empty()) return Fail(ErrorCode::kInvalid, "argv is empty");
  const pid_t pid = ::fork();
  if (pid < 0) return FailErrno(errno, "fork");
  if (pid == 0) Become(command, output);
  ::setpgid(pid, pid);
  return pid;
}

// Reads the child's output to its end; false when the time is over.
bool Collect(int fd, const Clock& clock, MonoTime deadline, std::string& output) {
  while (true) {
    pollfd wait{fd, POLLIN, 0};
    const int ready = ::poll(&wait, 1, LeftMs(clock, deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    char bytes[4096];
    const ssize_t n = ::read(fd, bytes, sizeof(bytes));
    if (n <= 0) return n == 0;
    const std::size_t room = kMaxOutput - output.size();
    output.append(bytes, std::min(static_cast<std::size_t>(n), room));
  }
}

}  // namespace

Result<pid_t> Spawn(const Command& command) {
  const char* path = command.output_path.empty() ? "/dev/null" : command.output_path.c_str();
  UniqueFd output(::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
  if (!output.valid()) return FailErrno(errno, path);
  return ForkExec(command, output.get());
}

Result<Finished> Run(const Command& command, std::chrono::milliseconds limit) {
  const SystemClock clock;
  const MonoTime deadline = clock.Now() + limit;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return FailErrno(errno, "pipe2");
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  auto pid = ForkExec(command, writer.get());
  if (!pid) return Forward(pid);
  writer.Reset();
  Finished finished;
  Collect(reader.get(), clock, deadline, finished.output);
  auto status = WaitFor(*pid, std::chrono::milliseconds(LeftMs(clock, deadline)));
  if (!status) return Forward(status);
  finished.status = *status;
  if (!finished.status) KillGroup(*pid);
  return finished;
}

Result<std::optional<ExitStatus>> WaitFor(pid_t pid, std::chrono::milliseconds limit) {
  UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!handle.valid()) return FailErrno(errno, "pidfd_open");
  const SystemClock clock;
  const MonoTime deadline = clock.Now() + limit;
  pollfd wait{handle.get(), POLLIN, 0};
  while (::poll(&wait, 1, LeftMs(clock, deadline)) < 0 && errno == EINTR) {
  }
  if (wait.revents == 0) return std::optional<ExitStatus>{};
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return FailErrno(errno, "waitpid");
  ExitStatus result;
  if (WIFSIGNALED(status)) {
    result.signal = WTERMSIG(status);
  } else {
    result.code = WEXITSTATUS(status);
  }
  return std::optional<ExitStatus>{result};
}

void KillGroup(pid_t pid) {
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

Result<Worker> StartWorker(void (*body)(int fd, const std::string& argument),
                           const std::string& argument) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return FailErrno(errno, "socketpair");
  }
  Worker worker;
  worker.socket.Reset(ends[0]);
  UniqueFd theirs(ends[1]);
  worker.pid = ::fork();
  if (worker.pid < 0) return FailErrno(errno, "fork");
  if (worker.pid == 0) {
    worker.socket.Reset();
    body(theirs.get(), argument);
    ::_exit(0);
  }
  return worker;
}

Result<std::string> ReceiveFrom(const Worker& worker, std::chrono::milliseconds limit) {
  pollfd wait{worker.socket.get(), POLLIN, 0};
  const int ready = ::poll(&wait, 1, static_cast<int>(limit.count()));
  if (ready < 0) return FailErrno(errno, "poll");
  if (ready == 0) return Fail(ErrorCode::kTimeout, "worker is silent");
  std::string packet(kMaxPacket, '\0');
  const ssize_t n = ::recv(worker.socket.get(), packet.data(), packet.size(), 0);
  if (n <= 0) return Fail(ErrorCode::kClosed, "worker is gone");
  packet.resize(static_cast<std::size_t>(n));
  return packet;
}

Status SendTo(const Worker& worker, const std::string& text) {
  if (::send(worker.socket.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) {
    return FailErrno(errno, "worker");
  }
  return {};
}

}  // namespace seaward::testd
