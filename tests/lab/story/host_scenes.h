// What is done to the emulated host itself and its VMMs, and what came of it.
#pragma once

#include <string>

#include "tests/lab/story/scenes.h"

namespace seaward::lab {

// Memory that the host's kernel itself has taken out of use (its HardwareCorrupted counter), kB.
Result<std::uint64_t> CorruptedInHost(Lab& lab);
// After the guest is destroyed: waits until there is more of it than `before`, which only the
// notifier can have asked for.
Status WaitRetiredInHost(Lab& lab, std::uint64_t before);

// A process of the host allocates nearly all memory that no VM has.
Result<Handout> TakeAllHostMemory(Lab& lab, HostPhysAddr bad);

// "running (booted)", "shut off (crashed)", ...; "gone" when libvirt knows no such domain.
Result<std::string> StateOf(Lab& lab, const std::string& guest);

}  // namespace seaward::lab
