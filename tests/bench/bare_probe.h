// Speaks with bare_agent in the guest: the raw limit of one page. One thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"

namespace seaward::bench {

class BareProbe {
 public:
  // `socket_path`: the host's end of org.seaward.bare.0.
  static Result<BareProbe> Connect(const std::string& socket_path, const Clock& clock);

  // From just before the send to just after the reply. An error when the guest's kernel refused the
  // page, or no reply came.
  Result<std::chrono::nanoseconds> Retire(GuestPhysAddr page);

  // The same for all of them, written one behind the other and then read. Refused ones count as
  // well.
  Result<std::chrono::nanoseconds> RetireAll(const std::vector<GuestPhysAddr>& pages);

 private:
  Status Send(GuestPhysAddr page);
  // The errno of the write that was answered next.
  Result<int> Receive();
  BareProbe(UniqueFd socket, const Clock& clock) : socket_(std::move(socket)), clock_(&clock) {}
  UniqueFd socket_;
  const Clock* clock_;
};

}  // namespace seaward::bench
