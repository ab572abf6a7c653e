// What must be true behind a run, judged from the ledger's own rows. Pure.
#pragma once

#include <vector>

#include "host-notifier/chaos/record.h"
#include "host-notifier/chaos/victim.h"

namespace seaward::chaos {

// A life in which nothing more happens to a page in this boot.
bool IsFinal(std::string_view life);

// Fills checks and losses_silent of `run`. `before` and `after`: the ledger when the run began and
// ended; `now`: the VM at the end.
void CheckRun(RunRecord& run, const std::vector<LedgerRow>& before,
              const std::vector<LedgerRow>& after, const VmPicture& now);

}  // namespace seaward::chaos
