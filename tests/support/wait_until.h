// Waiting for a condition with a deadline: what tests do instead of sleeping.
#pragma once

#include <poll.h>

#include <chrono>

#include "base/clock.h"

namespace seaward::testing {

// True as soon as `condition()` is, false when it was not within `limit`. Looks again every 20 ms:
// often enough for people, seldom enough for two busy cores.
template <class Condition>
bool WaitUntil(Condition condition, std::chrono::milliseconds limit) {
  const SystemClock clock;
  const MonoTime deadline = clock.Now() + limit;
  while (!condition()) {
    if (clock.Now() >= deadline) return false;
    ::poll(nullptr, 0, 20);
  }
  return true;
}

}  // namespace seaward::testing
