// A scenario with everything that chance decides in it decided: the same from the same seed, on
// every machine. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "host-notifier/chaos/scenario.h"

namespace seaward::chaos {

struct PlannedAct {
  ActPattern pattern;
  std::chrono::milliseconds pause_before{0};
  // Of a poison: granules, no two the same in the whole plan. Of a poison_again: of earlier steps.
  std::vector<GuestPhysAddr> pages{};
};

struct Plan {
  std::uint64_t seed = 0;
  std::vector<PlannedAct> acts{};
};

// `memory`: of the VM, whole granules. The last steps let a paused VM go and settle, whatever the
// scenario ends with. kLimit when the memory has not twice as many pages as are to go bad.
Result<Plan> MakePlan(const Scenario& scenario, std::uint64_t seed, const ByteRange& memory);

// Where the scenario's pages lie in a domain that has `domain_bytes`. kInvalid when there is none.
Result<ByteRange> MemoryFor(const Scenario& scenario, std::uint64_t domain_bytes);

// What a plan needs of the operator, the most harmless first, each once.
std::vector<Permission> NeededPermissions(const Plan& plan);

// "poison report latent 3 pages"; without the pages' addresses.
std::string Describe(const PlannedAct& act);
// A line for each step, for people and to be compared.
std::string Format(const Plan& plan);

}  // namespace seaward::chaos
