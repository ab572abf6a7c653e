// A process with pages of its own that a test has poisoned: it shows what a user process feels.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "tests/support/testd/children.h"
#include "tests/support/testd/process_memory.h"

namespace seaward::testd {

struct VictimPlan {
  std::uint64_t pages = 1;  // to map and fill with a pattern
  MemoryKind memory = MemoryKind::kAnonymous;
  std::optional<GuestPhysAddr> at;    // hold exactly this frame (pages = 1), however it is got
  std::optional<GuestPhysAddr> from;  // hold a frame not below this one (pages = 1)
  std::uint64_t leave_bytes = 0;  // with `at` and `from`: memory to leave untouched while searching
  bool reports_fault = false;     // it says how SIGBUS came before it dies of it
};

// What the kernel tells a process with SIGBUS.
struct Fault {
  std::uint64_t esr = 0;      // 0 when the kernel told none
  std::uint64_t address = 0;  // si_addr
};

// What a touch showed.
enum class Touch {
  kIntact,   // the pattern is there
  kChanged,  // other bytes are there
  kFaulted,  // it got SIGBUS, and dies of it at the next touch
  kDied,     // the process is gone; ask WaitFor how
};
struct TouchReport {
  Touch touch = Touch::kIntact;
  std::optional<Fault> fault = {};  // with kFaulted
};

// Who came after a victim.
struct Succession {
  ExitStatus death;                // of the victim
  bool given = false;              // its page was given to the successor, which could use it
  std::optional<ExitStatus> then;  // how the successor ended; nullopt: not within the limit
};

class Victims {
 public:
  struct Started {
    pid_t pid;
    std::vector<GuestPhysAddr> pages;
  };
  // kNotFound: the frame of `plan.at` was not handed out although memory was searched.
  Result<Started> Start(const VictimPlan& plan, std::chrono::milliseconds limit);
  // The victim touches page `index` once: "read" looks at all of it, "write" writes one word, as it
  // was, "execute" calls a function in it, "copy" has the kernel copy it. kInvalid for another
  // word.
  Result<TouchReport> TouchPage(pid_t pid, std::uint64_t index, const std::string& access,
                                std::chrono::milliseconds limit);
  // The victim reads its first page, and in the moment of its death a process is forked that takes
  // `pages` fresh pages. kTimeout when the victim lives.
  Result<Succession> DieAndSucceed(pid_t pid, std::uint64_t pages, std::chrono::milliseconds limit);
  // The same, but the successor is there before and waits (heir.h). `given`: it did not get through
  // its pages. It may never end then, and is left alone.
  Result<Succession> DieBesideHeir(pid_t pid, std::uint64_t pages, std::chrono::milliseconds limit);
  // The victim reads all its pages, behind a SIGBUS handler: how many raised the signal.
  Result<std::uint64_t> CountBad(pid_t pid, std::chrono::milliseconds limit);
  // The victim reads page `index` again and again, for ever, and answers no more. `survives`: with
  // a SIGBUS handler that returns.
  Status KeepTouching(pid_t pid, std::uint64_t index, bool survives);
  // Where page `index` is now (it may have been migrated).
  Result<GuestPhysAddr> WhereIs(pid_t pid, std::uint64_t index, std::chrono::milliseconds limit);
  void Forget(pid_t pid) { workers_.erase(pid); }

 private:
  Result<std::string> Ask(pid_t pid, const std::string& question, std::chrono::milliseconds limit);
  std::map<pid_t, Worker> workers_;
};

// Allocates nearly all memory in a child, says which of `wanted` frames it was given, gives it
// back.
struct HogReport {
  std::uint64_t pages = 0;           // held at once
  std::vector<GuestPhysAddr> found;  // those of `wanted` that were among them
};
Result<HogReport> HogMemory(std::uint64_t leave_bytes, const std::vector<GuestPhysAddr>& wanted,
                            std::chrono::milliseconds limit);

}  // namespace seaward::testd
