// A deadline that moves away twice as far each time, up to a limit.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/clock.h"

namespace seaward::session {

class Backoff {
 public:
  Backoff(std::chrono::milliseconds initial, std::chrono::milliseconds longest)
      : initial_(initial), longest_(longest), delay_(initial) {}

  void Start(MonoTime now) {
    delay_ = initial_;
    due_ = now + delay_;
  }
  // The deadline passed without success: the next one, further away.
  void Lengthen(MonoTime now) {
    delay_ = std::min(2 * delay_, longest_);
    due_ = now + delay_;
  }
  void Stop() { due_.reset(); }

  bool IsDue(MonoTime now) const { return due_ && *due_ <= now; }
  bool running() const { return due_.has_value(); }
  std::optional<MonoTime> due() const { return due_; }

 private:
  std::chrono::milliseconds initial_;
  std::chrono::milliseconds longest_;
  std::chrono::milliseconds delay_;
  std::optional<MonoTime> due_;
};

}  // namespace seaward::session
