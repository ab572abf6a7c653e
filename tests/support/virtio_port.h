// Virtio ports of a test machine. One thread at a time.
#pragma once

#include <string>

#include "tests/support/guest_shell.h"

namespace seaward::testing {

// The /dev/vportNpM of the port that is called so; without udev only sysfs knows.
Result<std::string> PortNode(GuestShell& shell, const std::string& name);

}  // namespace seaward::testing
