// Which frame a run makes bad: any that the guest's kernel has free when /init starts. Pure choice;
// the two boots that it is based on are somebody else's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace seaward::lab {

// What one clean boot showed.
struct BootSurvey {
  std::vector<ByteRange> free_at_init;   // the guest kernel's own page flags
  std::vector<ByteRange> never_touched;  // nobody had touched them since the VMM started
};

struct Choice {
  GuestPhysAddr frame;
  std::uint64_t free_frames = 0;  // free at /init in every boot
  std::uint64_t candidates = 0;   // of these, not used by the kernel earlier in its boot
  std::uint64_t seed = 0;
};

// A page that the kernel itself used before /init and freed again is no candidate: only something
// before the kernel could keep it away (the next-boot list, not the early stage).
// kNotFound when nothing is left.
Result<Choice> ChooseFrame(const std::vector<BootSurvey>& boots, std::uint64_t seed);

}  // namespace seaward::lab
