// The kernel's own device events (not udev's).
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::agent {

// Non-blocking; each datagram is one event.
Result<UniqueFd> OpenUeventSocket();

}  // namespace seaward::agent
