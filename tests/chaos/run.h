// Plays a schedule on fresh machines.
#pragma once

#include <optional>

#include "tests/chaos/plan/schedule.h"
#include "tests/chaos/tally.h"
#include "tests/support/test_images.h"

namespace seaward::chaos {

// The first violation, or none. Says each step on standard output as it comes.
std::optional<Violation> Play(const Schedule& schedule, const testing::GuestImages& images,
                              Tally& tally);

}  // namespace seaward::chaos
