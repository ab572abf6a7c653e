// Frames to retire. One thread.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tests/support/tcg_guest.h"

namespace seaward::bench {

// `count` frames that are free now, spread evenly over the guest's largest free range: ascending, a
// step apart.
Result<std::vector<GuestPhysAddr>> SpreadFrames(testing::TcgGuest& guest, std::size_t count);
// The same in an order of chance that is the same each time.
Result<std::vector<GuestPhysAddr>> ShuffledFrames(testing::TcgGuest& guest, std::size_t count);

}  // namespace seaward::bench
