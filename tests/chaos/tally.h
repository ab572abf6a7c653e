// What a run did and found, for its report.
#pragma once

#include <cstdint>
#include <string>

namespace seaward::chaos {

struct Tally {
  std::uint64_t steps = 0;
  std::uint64_t poisons = 0;   // pages that went bad, repetitions included
  std::uint64_t kills = 0;     // of agent, notifier, libvirtd, VMM
  std::uint64_t reboots = 0;   // boots behind the first of a schedule
  std::uint64_t unusable = 0;  // schedules that ended early: the guest lost its programs for good
  std::uint64_t losses_silent = 0;
  std::uint64_t losses_counted = 0;
};

// Something that must hold and does not.
struct Violation {
  std::string invariant;  // a word: names of invariants are listed in docs/CHAOS.md
  std::string what;
};

}  // namespace seaward::chaos
