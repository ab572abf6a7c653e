#include "host-notifier/metrics/duration_histogram.h"

namespace seaward::metrics {

using std::chrono_literals::operator""us;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

DurationHistogram::DurationHistogram(std::vector<std::chrono::nanoseconds> bounds) {
  for (const auto bound : bounds) buckets_.push_back({bound, 0});
}

void DurationHistogram::Observe(std::chrono::nanoseconds duration) {
  ++count_;
  sum_ += duration;
  for (Bucket& bucket : buckets_)
    if (duration <= bucket.upper_bound) ++bucket.cumulative;
}

// Exposure: tens of microseconds on hardware, hundreds in emulation, minutes for a guest that
// reboots. Commits: one fsync, from an NVMe disk's to a full one's.
Measurements::Measurements()
    : exposure({50us, 100us, 250us, 500us, 1ms, 2500us, 5ms, 10ms, 50ms, 100ms, 500ms, 1s, 10s, 60s,
                600s}),
      commit(
          {50us, 100us, 250us, 500us, 1ms, 2500us, 5ms, 10ms, 25ms, 50ms, 100ms, 500ms, 1s, 5s}) {}

}  // namespace seaward::metrics
