// Processes that the command server starts, by pid. Single-threaded.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::testd {

struct ExitStatus {
  int code = 0;    // when it exited
  int signal = 0;  // not 0: it died from this signal
};

// Takes what to run where. Output goes to `output_path` (appended), /dev/console for example.
struct Command {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // NAME=value, beside PATH
  std::string output_path;
};

struct Finished {
  std::optional<ExitStatus> status;  // nullopt: still running when the time was over, then killed
  std::string output;                // stdout and stderr, at most 256 KiB
};

// Starts it in a process group of its own and does not wait.
Result<pid_t> Spawn(const Command& command);
// Starts it, waits for its end, at most `limit`; `command.output_path` is not used.
Result<Finished> Run(const Command& command, std::chrono::milliseconds limit);

// Waits for a child of ours; nullopt when it still runs after `limit`.
Result<std::optional<ExitStatus>> WaitFor(pid_t pid, std::chrono::milliseconds limit);
// Kills a child's process group with SIGKILL and reaps it.
void KillGroup(pid_t pid);

// A forked child that serves lines over a socket: for work inside an own address space.
struct Worker {
  pid_t pid = -1;
  UniqueFd socket;  // SOCK_SEQPACKET: one packet per message
};
// `body(fd)` runs in the child, which exits with 0 when it returns.
Result<Worker> StartWorker(void (*body)(int fd, const std::string& argument),
                           const std::string& argument);
// Next packet of the worker, at most 64 KiB; kClosed when it is gone, kTimeout.
Result<std::string> ReceiveFrom(const Worker& worker, std::chrono::milliseconds limit);
Status SendTo(const Worker& worker, const std::string& text);

}  // namespace seaward::testd
