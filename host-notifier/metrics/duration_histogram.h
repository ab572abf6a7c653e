// How long something took, counted in buckets. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace seaward::metrics {

class DurationHistogram {
 public:
  // Upper bounds, ascending; what is longer than the last is counted too.
  explicit DurationHistogram(std::vector<std::chrono::nanoseconds> bounds);

  void Observe(std::chrono::nanoseconds duration);

  struct Bucket {
    std::chrono::nanoseconds upper_bound;
    std::uint64_t cumulative = 0;  // durations up to the bound
  };
  const std::vector<Bucket>& buckets() const { return buckets_; }
  std::uint64_t count() const { return count_; }
  std::chrono::nanoseconds sum() const { return sum_; }

 private:
  std::vector<Bucket> buckets_;
  std::uint64_t count_ = 0;
  std::chrono::nanoseconds sum_{0};
};

// What the notifier measures since its start.
struct Measurements {
  Measurements();
  DurationHistogram exposure;  // from the exit to the first verdict `retired`
  DurationHistogram commit;    // one write of the ledger
};

}  // namespace seaward::metrics
