// A clock that moves when a test says so. Any thread.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace seaward {

class FakeClock final : public Clock {
 public:
  MonoTime Now() const override { return MonoTime(std::chrono::nanoseconds(mono_ns_)); }
  WallTime WallNow() const override { return WallTime(std::chrono::nanoseconds(wall_ns_)); }
  void Advance(std::chrono::nanoseconds by) {
    mono_ns_ += by.count();
    wall_ns_ += by.count();
  }
  void JumpWallClock(std::chrono::nanoseconds by) { wall_ns_ += by.count(); }

 private:
  std::atomic<std::int64_t> mono_ns_ = std::chrono::nanoseconds(std::chrono::hours(1)).count();
  std::atomic<std::int64_t> wall_ns_ =
      std::chrono::nanoseconds(std::chrono::hours(24 * 365 * 50)).count();
};

}  // namespace seaward
