// A process that a test starts: known by its pid, gone with its owner. One thread at a time; the
// thread that starts a child must outlive it (the child dies with that thread, so that a test that
// is killed leaves nothing behind).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::testing {

struct ChildPlan {
  std::vector<std::string> argv;
  std::vector<std::string> environment = {};  // NAME=value, beside the test's own
  std::string log = {};                       // stdout and stderr are appended there
  bool as_nobody = false;                     // as user and group 65534, when the test is root
  bool keep_stdin = false;                    // a pipe: WriteLine()
};

struct ChildEnd {
  int exit_code = 0;
  int signal = 0;  // not 0: it died of it
};

class ChildProcess {
 public:
  static Result<ChildProcess> Start(const ChildPlan& plan);
  ChildProcess() = default;
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  // Kills the child's process group with SIGKILL.
  ~ChildProcess();

  bool started() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  Status WriteLine(const std::string& line) const;
  void CloseStdin() { stdin_.Reset(); }
  // nullopt: still running after `limit`.
  std::optional<ChildEnd> Wait(std::chrono::milliseconds limit);
  // SIGTERM, then SIGKILL when it takes longer than `limit`.
  ChildEnd Stop(std::chrono::milliseconds limit);
  // SIGKILL at once, and reaped.
  void KillNow();

 private:
  pid_t pid_ = -1;
  UniqueFd stdin_;
};

struct ChildOutput {
  ChildEnd end;
  std::string out;  // standard output alone
  std::string err;
};
// Runs to its end; kTimeout kills it.
Result<ChildOutput> RunToEnd(const std::vector<std::string>& argv, std::chrono::milliseconds limit);

}  // namespace seaward::testing
