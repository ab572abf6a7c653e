// Takes steps out of a failing schedule while it still fails. Pure: `fails` runs it.
#pragma once

#include <functional>
#include <vector>

#include "tests/chaos/plan/step.h"

namespace seaward::chaos {

// Delta debugging (Zeller and Hildebrandt's ddmin): the result fails, and without any single one of
// its steps it does not, unless `may_go_on` ended the search before; it is asked before each run.
// `steps` is known to fail.
std::vector<Step> Shrink(std::vector<Step> steps,
                         const std::function<bool(const std::vector<Step>&)>& fails,
                         const std::function<bool()>& may_go_on);

}  // namespace seaward::chaos
