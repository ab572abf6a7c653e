#include "tests/support/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/file_io.h"
#include "tests/support/temp_dir.h"

extern char** environ;

namespace seaward::testing {
namespace {

// setpriv(1) so that the child dies with the test, and drops its rights, without code of ours
// between fork and exec (the test may have threads).
std::vector<std::string> Wrapped(const ChildPlan& plan) {
  std::vector<std::string> words{"setpriv", "--pdeathsig", "KILL"};
  if (plan.as_nobody && ::geteuid() == 0) {
    words.insert(words.end(), {"--reuid=65534", "--regid=65534", "--clear-groups"});
  }
  words.emplace_back("--");
  words.insert(words.end(), plan.argv.begin(), plan.argv.end());
  return words;
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const auto& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// The test's environment without the names that the plan sets.
std::vector<std::string> Environment(const ChildPlan& plan) {
  std::vector<std::string> all = plan.environment;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string setting = *at;
    const std::string name = setting.substr(0, setting.find('=') + 1);
    const bool set = std::any_of(plan.environment.begin(), plan.environment.end(),
                                 [&](const std::string& s) { return s.starts_with(name); });
    if (!set) all.push_back(setting);
  }
  return all;
}

Result<pid_t> Spawn(const ChildPlan& plan, int input, int output, int error) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  posix_spawn_file_actions_adddup2(&files, error, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  const auto words = Wrapped(plan);
  const auto settings = Environment(plan);
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, "setpriv", &files, &attributes, Pointers(words).data(),
                                    Pointers(settings).data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) return FailErrno(failed, plan.argv.front());
  return pid;
}

ChildEnd EndOf(int status) {
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace

Result<ChildProcess> ChildProcess::Start(const ChildPlan& plan) {
  const std::string log = plan.log.empty() ? "/dev/null" : plan.log;
  auto output = OpenFile(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (!output) return Forward(output);
  ChildProcess child;
  UniqueFd input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (plan.keep_stdin) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return FailErrno(errno, "pipe2");
    input.Reset(ends[0]);
    child.stdin_.Reset(ends[1]);
  }
  auto pid = Spawn(plan, input.get(), output->get(), output->get());
  if (!pid) return Forward(pid);
  child.pid_ = *pid;
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), stdin_(std::move(other.stdin_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    KillNow();
    pid_ = std::exchange(other.pid_, -1);
    stdin_ = std::move(other.stdin_);
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  KillNow();
}

void ChildProcess::Signal(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

Status ChildProcess::WriteLine(const std::string& line) const {
  const std::string text = line + "\n";
  return WriteAll(stdin_.get(), std::as_bytes(std::span(text)));
}

std::optional<ChildEnd> ChildProcess::Wait(std::chrono::milliseconds limit) {
  if (pid_ <= 0) return std::nullopt;
  UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  pollfd wait{handle.get(), POLLIN, 0};
  if (::poll(&wait, 1, static_cast<int>(limit.count())) <= 0) return std::nullopt;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  ::kill(-pid_, SIGKILL);  // what it may have left in its group
  pid_ = -1;
  return EndOf(status);
}

ChildEnd ChildProcess::Stop(std::chrono::milliseconds limit) {
  Signal(SIGTERM);
  if (auto end = Wait(limit)) return *end;
  KillNow();
  return {0, SIGKILL};
}

void ChildProcess::KillNow() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

Result<ChildOutput> RunToEnd(const std::vector<std::string>& argv,
                             std::chrono::milliseconds limit) {
  const TempDir dir;
  auto out = OpenFile(dir / "out", O_WRONLY | O_CREAT);
  auto err = OpenFile(dir / "err", O_WRONLY | O_CREAT);
  UniqueFd input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!out) return Forward(out);
  if (!err) return Forward(err);
  auto pid = Spawn({argv}, input.get(), out->get(), err->get());
  if (!pid) return Forward(pid);
  UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  pollfd wait{handle.get(), POLLIN, 0};
  const bool ended = ::poll(&wait, 1, static_cast<int>(limit.count())) > 0;
  if (!ended) ::kill(-*pid, SIGKILL);
  int status = 0;
  ::waitpid(*pid, &status, 0);
  if (!ended) return Fail(ErrorCode::kTimeout, argv.front());
  constexpr std::size_t kCap = 8U << 20;
  return ChildOutput{EndOf(status), ReadTextFile(dir / "out", kCap).value_or(""),
                     ReadTextFile(dir / "err", kCap).value_or("")};
}

}  // namespace seaward::testing
