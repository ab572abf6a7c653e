// Commands inside the guest, through qemu-guest-agent (its guest-exec; qemu-ga(8)).
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "host-notifier/chaos/victim.h"

namespace seaward::chaos {

// One line of JSON to the agent, and its answer.
using AskGuestAgent = std::function<Result<std::string>(const std::string& command)>;

// Runs a script with the guest's /bin/sh to its end; its exit code. kUnsupported: no agent, or one
// that may not run commands; kTimeout after `limit`.
Result<int> RunInGuest(const AskGuestAgent& ask, const std::string& script, Waiting& waiting,
                       std::chrono::milliseconds limit);

}  // namespace seaward::chaos
