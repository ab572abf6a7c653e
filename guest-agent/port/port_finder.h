// Finds the virtio-serial port by its name without udev: the initramfs has none.
#pragma once

#include <string>

#include "base/result.h"

namespace seaward::agent {

// The device node of the port named `name`, such as "/dev/vport0p1". `sys` and `dev` are "/sys" and
// "/dev" outside of tests. kNotFound when no port has that name (yet).
Result<std::string> FindPort(const std::string& sys, const std::string& dev,
                             const std::string& name);

// Whether a virtio console device is there at all. Its ports get their names a moment after the
// driver took it over, so only then is a missing port worth a wait.
bool ConsoleDevicePresent(const std::string& sys);

}  // namespace seaward::agent
