// Keeps the retirement path in memory: under memory pressure a page fault of the agent would wait
// for the very system that it protects.
#pragma once

#include "base/result.h"

namespace seaward::agent {

// Grows the heap once, keeps it, and locks what is touched from now on and what is resident now.
// Fails without CAP_IPC_LOCK or RLIMIT_MEMLOCK; the agent works on.
Status LockMemory();

}  // namespace seaward::agent
