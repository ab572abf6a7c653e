// Holds the agent to a rate of steps. Pure.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "guest-agent/retire/retirement_limits.h"

namespace seaward::agent {

class AttemptMeter {
 public:
  AttemptMeter(const AttemptRate& rate, MonoTime now)
      : rate_(rate), steps_(rate.burst), filled_(now) {}

  // How many steps may be made now.
  std::uint32_t Available(MonoTime now) const;
  void Take(std::uint32_t steps, MonoTime now);
  // When there is one.
  MonoTime NextStep(MonoTime now) const;

 private:
  AttemptRate rate_;
  std::uint32_t steps_;  // at `filled_`
  MonoTime filled_;
};

}  // namespace seaward::agent
