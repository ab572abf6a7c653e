// A process that waits for another one's death and at once takes fresh pages.
#pragma once

#include <string>

namespace seaward::testd {

// Body of a Worker. `argument`: "PID PAGES". Says "ready", and "free" when it has used its pages.
// It runs where that process runs, because what a CPU is given back it hands out first. One that is
// given a bad page never says so: the kernel dies of it in its name, mostly with a lock of its
// memory, so that it does not even end.
void HeirBody(int fd, const std::string& argument);

}  // namespace seaward::testd
