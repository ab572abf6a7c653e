// What the agent may ask of the kernel once it runs: a list of system calls; any other ends it.
#pragma once

#include "base/result.h"

namespace seaward::agent {

// For all threads of this process, and whatever it executes. Not allowed are new processes, sockets
// other than the kernel's device events, memory that can be executed, mounts, modules, tracing, and
// the changing of identities. What a start of the agent needs is among the allowed: it restarts
// itself when it loses a page of its own.
Status FilterSystemCalls();

}  // namespace seaward::agent
