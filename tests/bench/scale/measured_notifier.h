// The real seaward-notifier as a process with a configuration of N VMs, and what the kernel says of
// its memory and time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace seaward::bench {

// The UUID of VM `number`, which is called vm-NUMBER and has its channel at DIR/NUMBER.
Uuid VmUuid(std::size_t number);

class MeasuredNotifier {
 public:
  // Works below `dir`; `programs` is where seaward-notifier and seawardctl are.
  MeasuredNotifier(const std::string& dir, std::string programs);

  // `more`: lines of configuration beside these.
  Status Configure(std::size_t vms, const std::string& channels,
                   const std::string& more = {}) const;
  // Does not wait.
  Status Start();
  // As a crash.
  void Kill() { process_.KillNow(); }
  // In order; the exit status.
  int Stop();
  bool Answers() const;

  std::string attach_socket() const { return dir_ + "/attach.sock"; }
  std::uint64_t rss_kib() const;
  std::size_t descriptors() const;
  // User and system time so far.
  std::chrono::duration<double> cpu() const;
  // Of the ledger, read beside the notifier; -1: not now.
  std::int64_t Count(const char* sql) const;

  // Asks `seawardctl status` once, as an operator would. `meanwhile` runs until it answered.
  struct Sessions {
    std::size_t vms = 0;
    std::size_t live = 0;
    std::size_t pages = 0;
    std::size_t retired = 0;
  };
  enum class Pages { kAll, kNone };
  Result<Sessions> AskStatus(Pages pages,
                             const std::function<void(const std::function<bool()>&)>& meanwhile);

 private:
  const std::string dir_;
  const std::string programs_;
  testing::ChildProcess process_;
};

}  // namespace seaward::bench
