// Keeps the agent's memory where it is, so that retiring a page never waits for one.
#pragma once

#include "base/result.h"

namespace seaward::agent {

// Before the first thread: the heap keeps what it has.
void SettleHeap();
// Behind everything that only a start does: drops its pages, and locks what is used from now on as
// soon as it was touched once. Needs LimitMEMLOCK or CAP_IPC_LOCK.
Status LockMemory();

}  // namespace seaward::agent
