// A clock that moves when a test says so.
#pragma once

#include "base/clock.h"

namespace seaward {

class FakeClock final : public Clock {
 public:
  MonoTime Now() const override { return mono_; }
  WallTime WallNow() const override { return wall_; }
  void Advance(std::chrono::nanoseconds by) {
    mono_ += by;
    wall_ += by;
  }
  void JumpWallClock(std::chrono::nanoseconds by) { wall_ += by; }

 private:
  MonoTime mono_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::hours(24 * 365 * 50)};
};

}  // namespace seaward
