// Wakes the agent when the kernel announces a device, so that waiting for the port costs nothing
// and needs no udev.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::agent {

class PortWatcher {
 public:
  // Listens to the kernel's own uevents (not udev's).
  static Result<PortWatcher> Open();
  int fd() const { return fd_.get(); }
  // Reads everything that waits; what it says does not matter, the caller looks at sysfs itself.
  void Drain();

 private:
  explicit PortWatcher(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace seaward::agent
