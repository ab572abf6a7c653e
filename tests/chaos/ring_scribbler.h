// A hostile VMM: writes into the ring of a process whatever the dice say, through the very memory
// that it shares with the notifier.
#pragma once

#include <sys/types.h>

#include "base/dice.h"
#include "base/result.h"

namespace seaward::chaos {

// Records that were never published, counters that jump, words of chance in between. Addresses in
// records lie outside of any guest's RAM: a VMM may have its own guest's pages retired, and this
// one is still needed.
Status ScribbleOverRing(pid_t vmm, Dice& dice);

}  // namespace seaward::chaos
