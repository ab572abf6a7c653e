#include "guest-agent/retire/attempt_meter.h"

#include <algorithm>

namespace seaward::agent {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

std::uint32_t AttemptMeter::Available(MonoTime now) const {
  const std::int64_t elapsed = std::max<std::int64_t>((now - filled_).count(), 0);
  // After a long rest the bucket is full; no product can overflow before that is seen.
  if (elapsed / kSecond > rate_.burst) return rate_.burst;
  const std::int64_t fresh =
      elapsed / kSecond * rate_.per_second + elapsed % kSecond * rate_.per_second / kSecond;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(steps_ + fresh, rate_.burst));
}

void AttemptMeter::Take(std::uint32_t steps, MonoTime now) {
  const std::uint32_t available = Available(now);
  const std::int64_t step_ns = kSecond / std::max<std::uint32_t>(rate_.per_second, 1);
  // The rest of a step that was begun is kept, or a fast caller would never get the next one.
  filled_ = available == rate_.burst
                ? now
                : filled_ + std::chrono::nanoseconds((available - steps_) * step_ns);
  steps_ = available - std::min(steps, available);
}

MonoTime AttemptMeter::NextStep(MonoTime now) const {
  if (Available(now) > 0) return now;
  // A nanosecond more than a step: integers round down.
  return filled_ +
         std::chrono::nanoseconds(kSecond / std::max<std::uint32_t>(rate_.per_second, 1) + 1);
}

}  // namespace seaward::agent
