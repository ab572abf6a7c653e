// build/chaos/report.json: what all schedules of one run did and found.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "tests/chaos/tally.h"

namespace seaward::chaos {

class Report {
 public:
  void Add(std::uint64_t seed, const Tally& tally, bool violated);
  std::string Json() const;
  Status Save(const std::string& path) const;

 private:
  std::vector<std::uint64_t> seeds_;
  Tally sum_;
  std::uint64_t violations_ = 0;
};

}  // namespace seaward::chaos
