// One run of an operator's program: it is told something on stdin, and it is over at its deadline,
// however it behaves. It runs in a process group of its own, which never outlives it.
//
// Thread: the loop's. Nothing here waits for the program: its input is a file in memory, its output
// is read as it comes and bounded.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "host-notifier/loop/fd_watch.h"
#include "host-notifier/loop/loop_timer.h"

namespace seaward::action {

struct HookCommand {
  std::string program;  // absolute
  std::vector<std::string> arguments;
  std::string input;  // all of its stdin
  std::chrono::milliseconds deadline{0};
};

struct HookEnd {
  bool succeeded = false;  // it exited with 0
  std::string text;        // for people: "exit 3: no such queue"
};

// Beyond it the program is killed: nobody reads that much, and a log must not be filled.
inline constexpr std::size_t kMostHookOutput = std::size_t{1} << 20;

class HookProcess {
 public:
  // `ended` is called once, on the loop's thread, and not after the process object is gone. An
  // error: the program could not be started.
  static Result<std::unique_ptr<HookProcess>> Start(boost::asio::io_context& loop,
                                                    const HookCommand& command,
                                                    std::function<void(const HookEnd&)> ended);
  // Kills what still runs.
  ~HookProcess();
  HookProcess(const HookProcess&) = delete;
  HookProcess& operator=(const HookProcess&) = delete;

 private:
  HookProcess(boost::asio::io_context& loop, std::chrono::milliseconds deadline,
              std::function<void(const HookEnd&)> ended);
  Status Launch(const HookCommand& command);
  Status Watch(boost::asio::io_context& loop);
  void ReadOutput();
  void KillGroup(const std::string& why);
  void Exited();
  std::string LastWords() const;

  const std::chrono::milliseconds deadline_;
  const std::function<void(const HookEnd&)> ended_;
  LoopTimer timer_;
  pid_t pid_ = -1;  // also of its group; -1: none, or reaped
  UniqueFd output_;
  std::unique_ptr<FdWatch> output_watch_;
  std::unique_ptr<FdWatch> exit_watch_;
  std::size_t output_bytes_ = 0;
  std::string tail_;    // of the output
  std::string killed_;  // why; empty: it was not
};

}  // namespace seaward::action
