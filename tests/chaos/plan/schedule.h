// What is done to the machines, in order. A seed makes one, the same on every machine and with
// every library; its text can be printed, kept, and read back. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/chaos/plan/step.h"

namespace seaward::chaos {

struct Schedule {
  std::uint64_t seed = 0;
  World world = World::kRing;
  std::vector<Step> steps;
  bool operator==(const Schedule&) const = default;
};

// `length` steps, each of which means something where it stands. Whoever plays it settles once more
// behind the last.
Schedule MakeSchedule(std::uint64_t seed, std::size_t length);

// Lines: "seed N", "world W", one step each.
std::string Format(const Schedule& schedule);
// kInvalid with the number of the first wrong line.
Result<Schedule> ParseSchedule(std::string_view text);

}  // namespace seaward::chaos
