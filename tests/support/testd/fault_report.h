// How a process feels an external abort: what the kernel says in the signal's frame. The process
// says it in its last words, waits until it is asked anything more, and dies of the signal as if it
// had not listened.
#pragma once

#include <optional>
#include <string>

#include "tests/support/testd/victim.h"

namespace seaward::testd {

// From now on this process sends its last words to `fd`.
void ReportFaultTo(int fd);
// nullopt: `words` are no last words.
std::optional<Fault> ReadFault(const std::string& words);

}  // namespace seaward::testd
