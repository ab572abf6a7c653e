// What the environment asks of a run of chaos_test; ./dev test chaos sets it from its options.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace seaward::chaos {

struct Wishes {
  // SEAWARD_CHAOS_SEED: this one alone, or the first of a long run.
  std::optional<std::uint64_t> seed;
  // SEAWARD_CHAOS_MINUTES: one seed after the other for so long.
  std::optional<std::chrono::minutes> minutes;
  // SEAWARD_CHAOS_STEPS: of each schedule.
  std::size_t steps = 14;
  // SEAWARD_CHAOS_SCHEDULE: a file with a schedule, in the place of one that a seed makes.
  std::string schedule;
  // SEAWARD_CHAOS_SHRINK_MINUTES: for what is found; 0: not at all.
  std::chrono::minutes shrink{10};
};

// kInvalid, naming the variable.
Result<Wishes> ReadWishes();

// Of a run without wishes. The first two are on the ring, the third through libvirt.
std::vector<std::uint64_t> FixedSeeds();

}  // namespace seaward::chaos
