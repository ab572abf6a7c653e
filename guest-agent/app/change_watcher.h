// Wakes the agent when retired pages may be in use again: memory was plugged, the machine woke up
// or was put back to an earlier moment. Costs nothing while nothing happens.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::agent {

// What an event of the kernel (one datagram: NUL-separated lines) says of the machine's memory;
// nothing when it does not concern it.
std::optional<std::string_view> MemoryNewsIn(std::string_view uevent);

class ChangeWatcher {
 public:
  static Result<ChangeWatcher> Open();

  int uevent_fd() const { return uevents_.get(); }
  int clock_fd() const { return clock_.get(); }
  // Takes what waits; the reason to look at the pages again, when there is one.
  std::optional<std::string_view> Drain();

 private:
  ChangeWatcher(UniqueFd uevents, UniqueFd clock)
      : uevents_(std::move(uevents)), clock_(std::move(clock)) {}
  UniqueFd uevents_;
  UniqueFd clock_;
};

}  // namespace seaward::agent
