// Quantiles of a run's samples. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

namespace seaward::bench {

// The nearest-rank quantile, in microseconds; `samples` is not empty, 0 < q <= 1.
inline double QuantileUs(std::vector<std::chrono::nanoseconds> samples, double q) {
  std::sort(samples.begin(), samples.end());
  const double rank = std::ceil(q * static_cast<double>(samples.size()));
  const auto index = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return static_cast<double>(samples[index].count()) / 1000.0;
}

}  // namespace seaward::bench
