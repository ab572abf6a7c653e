// A process that outlives external aborts: what a database with a SIGBUS handler of its own does,
// and what a hostile one does. Instead of fault_report.h, not beside it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace seaward::testd {

// Reads a word of each of the `count` pages at `area`, and goes on behind those that raise SIGBUS.
// Returns how many did.
std::uint64_t CountBadPages(const std::byte* area, std::uint64_t count);

// From now on an access that raises SIGBUS is tried again, for ever.
void RetryForEver();

}  // namespace seaward::testd
