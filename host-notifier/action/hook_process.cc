#include "host-notifier/action/hook_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>

#include "base/file_io.h"
#include "host-notifier/loop/process_watch.h"

namespace seaward::action {
namespace {

// Enough for the line that says what went wrong.
constexpr std::size_t kTailBytes = 1024;
constexpr std::size_t kLastWordsBytes = 200;
// A pipe holds 64 KiB.
constexpr std::size_t kChunkBytes = 8192;
constexpr int kPipeChunks = 9;

// A descriptor that no redirection of 0, 1 and 2 can hit.
Result<UniqueFd> AboveStandard(UniqueFd fd) {
  UniqueFd above(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!above.valid()) return FailErrno(errno, "hook: descriptors");
  return above;
}

Result<UniqueFd> FileInMemory(const std::string& text) {
  UniqueFd file(::memfd_create("seaward-hook-input", MFD_CLOEXEC));
  if (!file.valid()) return FailErrno(errno, "hook: input");
  if (auto written = WriteAll(file.get(), std::as_bytes(std::span(text))); !written)
    return Forward(written);
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return FailErrno(errno, "hook: input");
  return AboveStandard(std::move(file));
}

// What posix_spawn is told; freed at the end of its scope.
class SpawnPlan {
 public:
  SpawnPlan(int input, int output) {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawn_file_actions_adddup2(&files_, input, 0);
    ::posix_spawn_file_actions_adddup2(&files_, output, 1);
    ::posix_spawn_file_actions_adddup2(&files_, output, 2);
    ::posix_spawn_file_actions_addclosefrom_np(&files_, 3);
    ::posix_spawn_file_actions_addchdir_np(&files_, "/");
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    sigset_t all;
    ::sigfillset(&all);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // 0 or an errno value. Returns when the program is there or could not be executed.
  int Spawn(pid_t& pid, const HookCommand& command) const {
    std::vector<char*> argv{const_cast<char*>(command.program.c_str())};
    for (const std::string& argument : command.arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    // Nothing of the notifier's own environment.
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char language[] = "LANG=C.UTF-8";
    char* environment[] = {path, language, nullptr};
    return ::posix_spawn(&pid, command.program.c_str(), &files_, &attributes_, argv.data(),
                         environment);
  }

 private:
  posix_spawn_file_actions_t files_;
  posix_spawnattr_t attributes_;
};

}  // namespace

HookProcess::HookProcess(boost::asio::io_context& loop, std::chrono::milliseconds deadline,
                         std::function<void(const HookEnd&)> ended)
    : deadline_(deadline), ended_(std::move(ended)), timer_(loop) {}

HookProcess::~HookProcess() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  siginfo_t ignored{};
  ::waitid(P_PID, static_cast<id_t>(pid_), &ignored, WEXITED | WNOHANG);
}

Result<std::unique_ptr<HookProcess>> HookProcess::Start(boost::asio::io_context& loop,
                                                        const HookCommand& command,
                                                        std::function<void(const HookEnd&)> ended) {
  std::unique_ptr<HookProcess> hook(new HookProcess(loop, command.deadline, std::move(ended)));
  if (auto launched = hook->Launch(command); !launched) return Forward(launched);
  if (auto watched = hook->Watch(loop); !watched) return Forward(watched);
  return hook;
}

Status HookProcess::Launch(const HookCommand& command) {
  const auto input = FileInMemory(command.input);
  if (!input) return tl::unexpected<Error>(input.error());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return FailErrno(errno, "hook: output");
  output_.Reset(ends[0]);
  auto writing = AboveStandard(UniqueFd(ends[1]));
  if (!writing) return Forward(writing);
  if (::fcntl(output_.get(), F_SETFL, O_NONBLOCK) < 0) return FailErrno(errno, "hook: output");
  if (const int error = SpawnPlan(input->get(), writing->get()).Spawn(pid_, command)) {
    pid_ = -1;
    return FailErrno(error, command.program);
  }
  return {};
}

Status HookProcess::Watch(boost::asio::io_context& loop) {
  auto output = FdWatch::Watch(loop, output_.get(), [this] { ReadOutput(); });
  if (!output) return Forward(output);
  output_watch_ = std::move(*output);
  // Not reaped yet, so that the pid is its own, whether it still runs or not.
  const auto identity = IdentifyProcess(pid_, "/proc");
  if (!identity) return tl::unexpected<Error>(identity.error());
  auto exit = WatchProcess(loop, *identity, [this] { Exited(); });
  if (!exit) return Forward(exit);
  exit_watch_ = std::move(*exit);
  timer_.Start(deadline_, [this] {
    KillGroup(fmt::format("killed at its deadline of {} ms", deadline_.count()));
  });
  return {};
}

void HookProcess::ReadOutput() {
  char chunk[kChunkBytes];
  // One chunk a turn: a program that writes without end must not keep the loop.
  const ssize_t got = ::read(output_.get(), chunk, sizeof(chunk));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return output_watch_.reset();
  output_bytes_ += static_cast<std::size_t>(got);
  tail_.append(chunk, static_cast<std::size_t>(got));
  if (tail_.size() > kTailBytes) tail_.erase(0, tail_.size() - kTailBytes);
  if (output_bytes_ <= kMostHookOutput) return;
  output_watch_.reset();
  KillGroup(fmt::format("killed after {} bytes of output", kMostHookOutput));
}

void HookProcess::KillGroup(const std::string& why) {
  if (pid_ <= 0 || !killed_.empty()) return;
  killed_ = why;
  ::kill(-pid_, SIGKILL);
}

void HookProcess::Exited() {
  timer_.Cancel();
  exit_watch_.reset();
  // What is still in the pipe, so that the last words are its last.
  for (int i = 0; i < kPipeChunks && output_watch_ != nullptr; ++i) ReadOutput();
  output_watch_.reset();
  // What it left behind. The group's number is its own until the leader is reaped.
  ::kill(-pid_, SIGKILL);
  siginfo_t info{};
  const int reaped = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG);
  pid_ = -1;
  HookEnd end;
  if (!killed_.empty()) {
    end.text = killed_;
  } else if (reaped < 0 || info.si_pid == 0) {
    end.text = "ended; nobody knows how";
  } else if (info.si_code == CLD_EXITED) {
    end.succeeded = info.si_status == 0;
    end.text = fmt::format("exit {}", info.si_status);
  } else {
    end.text = fmt::format("died of signal {}", info.si_status);
  }
  if (!end.succeeded) end.text += LastWords();
  const auto ended = ended_;  // which may destroy this
  ended(end);
}

// ": " and the last line that it wrote, printable.
std::string HookProcess::LastWords() const {
  std::string_view text = tail_;
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (const auto newline = text.rfind('\n'); newline != std::string_view::npos)
    text.remove_prefix(newline + 1);
  std::string words(text.substr(0, kLastWordsBytes));
  std::ranges::replace_if(
      words, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, '?');
  return words.empty() ? "" : ": " + words;
}

}  // namespace seaward::action
