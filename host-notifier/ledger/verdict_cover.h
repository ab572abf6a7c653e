// One verdict on a page from the verdicts on its parts. Pure.
#pragma once

#include <optional>
#include <span>

#include "protocol/messages.h"

namespace seaward::ledger {

// An agent may answer for one entry in several records (a 64 KiB range over pages of different
// fates, a huge page lost as a whole). The worst of them is what happened to the range; nullopt
// while a part has no record. `newest_first`: a later record hides earlier ones where they overlap.
std::optional<protocol::VerdictRecord> CoveringVerdict(
    const ByteRange& range, std::span<const protocol::VerdictRecord> newest_first);

}  // namespace seaward::ledger
