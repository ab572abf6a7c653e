// Time comes in through this interface; nothing else in the tree asks the system for it.
#pragma once

#include <chrono>

namespace seaward {

// CLOCK_MONOTONIC. Comparable between processes of one host boot: the VMM stamps its events with
// it.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
// CLOCK_REALTIME. For records that people read; may jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime Now() const = 0;
  virtual WallTime WallNow() const = 0;
};

class SystemClock final : public Clock {
 public:
  MonoTime Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
};

}  // namespace seaward
