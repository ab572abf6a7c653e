#include "tests/chaos/wishes.h"

#include <charconv>
#include <cstdlib>

namespace seaward::chaos {
namespace {

// nullopt: not set.
Result<std::optional<std::uint64_t>> Number(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::optional<std::uint64_t>();
  const std::string_view digits(text);
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failed != std::errc() || end != digits.data() + digits.size())
    return Fail(ErrorCode::kInvalid, std::string(name) + " is no number: " + text);
  return std::optional(value);
}

}  // namespace

Result<Wishes> ReadWishes() {
  Wishes wishes;
  auto seed = Number("SEAWARD_CHAOS_SEED");
  auto minutes = Number("SEAWARD_CHAOS_MINUTES");
  auto steps = Number("SEAWARD_CHAOS_STEPS");
  auto shrink = Number("SEAWARD_CHAOS_SHRINK_MINUTES");
  for (auto* number : {&seed, &minutes, &steps, &shrink})
    if (!*number) return Forward(*number);
  wishes.seed = *seed;
  if (*minutes) wishes.minutes = std::chrono::minutes(**minutes);
  if (*steps) wishes.steps = **steps;
  if (*shrink) wishes.shrink = std::chrono::minutes(**shrink);
  if (const char* schedule = std::getenv("SEAWARD_CHAOS_SCHEDULE")) wishes.schedule = schedule;
  return wishes;
}

std::vector<std::uint64_t> FixedSeeds() {
  return {5, 24, 28};
}

}  // namespace seaward::chaos
