// seaward-poison as a child process of a test: its line protocol, and its way out.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tests/lab/host/emulated_host.h"
#include "tests/lab/poison/guest_tables.h"
#include "tests/lab/poison/kernel_place.h"
#include "tests/lab/poison/poison_kind.h"
#include "tests/support/child_process.h"

namespace seaward::lab {

class PoisonTool {
 public:
  // Reads the host kernel's symbols through the host's command server, then starts the tool.
  static Result<PoisonTool> Start(EmulatedHost& host);

  // `backing`: the host page behind `page`; the poison stays with it. Errors carry the tool's
  // words.
  Status Poison(GuestPhysAddr page, HostPhysAddr backing, const PoisonKind& kind = {});
  Status Heal(GuestPhysAddr page);
  // What is bad now, and what was until the VMM gave it other backing (or ended).
  struct Pages {
    std::vector<GuestPhysAddr> bad, lifted;
  };
  Result<Pages> List();
  // The guest's own translation tables on the way to a process's page, last level first.
  Result<std::vector<GuestTable>> TablesOf(GuestPhysAddr page, HostPhysAddr backing);
  // Ends it by the end of its input, or by a signal; its last line and exit code.
  struct Farewell {
    std::string last_line;
    int exit_code = -1;
  };
  Result<Farewell> Finish();
  Result<Farewell> FinishBySignal(int number);

  const std::string& greeting() const { return greeting_; }

 private:
  PoisonTool(EmulatedHost& host, testing::ChildProcess child)
      : host_(&host), child_(std::move(child)) {}
  Result<std::string> NextLine();
  Result<std::string> Order(const std::string& line);
  Result<Farewell> Hear();
  EmulatedHost* host_;
  testing::ChildProcess child_;
  std::string greeting_;
  std::size_t lines_heard_ = 0;
};

}  // namespace seaward::lab
