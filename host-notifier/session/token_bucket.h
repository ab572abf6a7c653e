// A rate with a burst: holds up to `burst` tokens and gains `per_second`.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace seaward::session {

class TokenBucket {
 public:
  TokenBucket(std::uint64_t per_second, std::uint64_t burst, MonoTime now)
      : per_second_(static_cast<std::int64_t>(std::clamp<std::uint64_t>(per_second, 1, kMost))),
        burst_(static_cast<std::int64_t>(std::min(burst, kMost))),
        tokens_(burst_),
        refilled_(now) {}

  // What may be taken now; 0 when in debt.
  std::uint64_t Available(MonoTime now) {
    Refill(now);
    return static_cast<std::uint64_t>(std::max<std::int64_t>(tokens_, 0));
  }
  // May go into debt, down to one burst.
  void Take(std::uint64_t tokens) {
    const auto wanted = static_cast<std::int64_t>(std::min(tokens, kMost));
    tokens_ = std::max(tokens_ - wanted, -burst_);
  }
  bool TryTake(MonoTime now) {
    if (Available(now) == 0) return false;
    Take(1);
    return true;
  }
  // When `tokens` can be taken, at most the burst.
  MonoTime AvailableAt(std::uint64_t tokens) const {
    const std::int64_t missing = std::min(static_cast<std::int64_t>(tokens), burst_) - tokens_;
    if (missing <= 0) return refilled_;
    return refilled_ + std::chrono::nanoseconds(missing * kNanoseconds / per_second_ + 1);
  }

 private:
  static constexpr std::int64_t kNanoseconds = 1'000'000'000;
  static constexpr std::uint64_t kMost = 1 << 30;  // of any rate or burst: no product overflows

  void Refill(MonoTime now) {
    // Longer than any bucket needs to fill, and far from an overflow.
    const std::int64_t passed =
        std::clamp<std::int64_t>((now - refilled_).count(), 0, 100 * kNanoseconds);
    const std::int64_t gained =
        passed / kNanoseconds * per_second_ + passed % kNanoseconds * per_second_ / kNanoseconds;
    if (gained <= 0) return;  // keep the fraction for later
    tokens_ = std::min(tokens_ + gained, burst_);
    refilled_ = now;
  }

  std::int64_t per_second_;
  std::int64_t burst_;
  std::int64_t tokens_;
  MonoTime refilled_;
};

}  // namespace seaward::session
