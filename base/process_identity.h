// One process of this host boot: a pid alone is reused, a pid with its start time is not.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace seaward {

struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // /proc/PID/stat field 22: clock ticks since boot
  auto operator<=>(const ProcessIdentity&) const = default;
};

// Of the process that has `pid` now; `proc_root` is /proc except in tests. kNotFound when there is
// none, kCorrupt when its stat line cannot be read.
Result<ProcessIdentity> IdentifyProcess(pid_t pid, const std::string& proc_root);

}  // namespace seaward
