// Any bytes as a scenario, and what passes as a plan: a value or diagnostics, never an exception, a
// hang or a crash; and a plan keeps to the memory.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "host-notifier/chaos/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seaward;         // NOLINT(google-build-using-namespace)
  using namespace seaward::chaos;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto scenario = ParseScenario("s.yaml", text);
  if (!scenario) {
    if (scenario.error().empty()) __builtin_trap();
    return 0;
  }
  const auto memory = MemoryFor(*scenario, std::uint64_t{1} << 30);
  // What a person may write makes a plan of millions of pages: right, and nothing to fuzz.
  if (!memory || scenario->rounds * scenario->steps.size() > 1000 || scenario->draw > 1000)
    return 0;
  const auto plan = MakePlan(*scenario, size, *memory);
  if (!plan) return 0;
  if (plan->acts.empty() || plan->acts.back().pattern.act != Act::kSettle) __builtin_trap();
  for (const PlannedAct& act : plan->acts)
    for (const GuestPhysAddr page : act.pages)
      if (!memory->Contains(page)) __builtin_trap();
  return 0;
}
