#include "guest-agent/retire/attempt_meter.h"

#include <gtest/gtest.h>

#include "base/fake_clock.h"

namespace seaward::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(AttemptMeter, ABurstAndThenTheRate) {
  FakeClock clock;
  AttemptMeter meter({.per_second = 100, .burst = 5}, clock.Now());
  EXPECT_EQ(meter.Available(clock.Now()), 5u);
  meter.Take(5, clock.Now());
  EXPECT_EQ(meter.Available(clock.Now()), 0u);
  const auto next = meter.NextStep(clock.Now());
  EXPECT_GT(next, clock.Now() + milliseconds(9));
  EXPECT_LE(next, clock.Now() + milliseconds(11));
  clock.Advance(next - clock.Now());
  EXPECT_EQ(meter.Available(clock.Now()), 1u);
}

TEST(AttemptMeter, OneStepAtATimeReachesTheRateInTheLongRun) {
  FakeClock clock;
  AttemptMeter meter({.per_second = 300, .burst = 1}, clock.Now());
  int steps = 0;
  for (int ms = 0; ms < 10000; ++ms) {
    if (meter.Available(clock.Now()) > 0) {
      meter.Take(1, clock.Now());
      ++steps;
    }
    clock.Advance(milliseconds(1));
  }
  // A step every 3.33 ms, seen once a millisecond: a bucket of one loses what it cannot hold.
  EXPECT_GE(steps, 2499);
  EXPECT_LE(steps, 3001);
}

TEST(AttemptMeter, ALongRestFillsTheBucketAndNoMore) {
  FakeClock clock;
  AttemptMeter meter({.per_second = 1000000, .burst = 7}, clock.Now());
  meter.Take(7, clock.Now());
  clock.Advance(std::chrono::hours(24 * 365));
  EXPECT_EQ(meter.Available(clock.Now()), 7u);
}

}  // namespace
}  // namespace seaward::agent
