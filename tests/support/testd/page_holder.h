// A process that holds one page of a kind for a test to have taken away, and says how it notices.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "tests/support/testd/children.h"

namespace seaward::testd {

struct HoldPlan {
  std::string kind = "anonymous";  // page_kinds.h, or "tables": page tables of the process's own
  // "dirty": as written; "clean": a file's pages are on its disk; "unmapped": and in no process.
  std::string state = "dirty";
  std::string mce_kill;  // "early" or "late": prctl(PR_MCE_KILL); empty: the system's default
  bool handles = true;   // with a SIGBUS handler that tells and, where it may, goes on
};

// siginfo of a SIGBUS: code 4 BUS_MCEERR_AR, 5 BUS_MCEERR_AO; the lost bytes are 1 << lsb.
struct BusError {
  int code = 0;
  int lsb = 0;
};

struct HeldPage {
  pid_t pid = -1;
  GuestPhysAddr page;                 // the one that is checked
  std::vector<GuestPhysAddr> others;  // of "tables": all of them
};

class PageHolders {
 public:
  Result<HeldPage> Start(const HoldPlan& plan, std::chrono::milliseconds limit);
  // Reads the page: "intact", "changed"; or its SIGBUS, after which it dies.
  struct Check {
    std::string word;
    std::optional<BusError> bus;
  };
  Result<Check> CheckPage(pid_t pid, std::chrono::milliseconds limit);
  // Where the page is now.
  Result<GuestPhysAddr> WhereIs(pid_t pid, std::chrono::milliseconds limit);
  // A SIGBUS that came without a touch. kTimeout: none came.
  Result<BusError> AwaitSignal(pid_t pid, std::chrono::milliseconds limit);
  // Ends it; gone when this returns.
  Status End(pid_t pid, std::chrono::milliseconds limit);
  void Forget(pid_t pid) { workers_.erase(pid); }

 private:
  std::map<pid_t, Worker> workers_;
};

}  // namespace seaward::testd
