// A vCPU that waits at its exit: until somebody answers, the VMM wants its thread back, or its
// patience is over. Thread: the vCPU's own.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.h"
#include "host-notifier/vmm/ring_producer.h"
#include "host-notifier/vmm/sea_exit.h"

namespace seaward::vmm {

enum class Waited { kAnswered, kInterrupted, kTimedOut };

// `look` waits for at most so long and says whether the answer is there; a signal ends it early.
// A kick that comes between the look at `immediate_exit` (nullptr: there is none) and the wait is
// noticed a slice later.
template <class Now, class Look>
Waited WaitAtExit(std::chrono::nanoseconds patience, std::chrono::nanoseconds slice,
                  const volatile std::uint8_t* immediate_exit, Now now, Look look) {
  const MonoTime deadline = now() + patience;
  for (MonoTime time = deadline - patience; time < deadline; time = now()) {
    // Another thread of the VMM writes it, and std::atomic_ref takes nothing volatile.
    if (immediate_exit != nullptr && __atomic_load_n(immediate_exit, __ATOMIC_RELAXED) != 0)
      return Waited::kInterrupted;
    if (look(std::min<std::chrono::nanoseconds>(slice, deadline - time))) return Waited::kAnswered;
  }
  return Waited::kTimedOut;
}

// A hold of more than this is no hold any more: a guest takes a CPU that stands still for its soft
// lockup detector's 20 s for dead, and what it runs notices much earlier.
inline constexpr std::chrono::microseconds kLongestHold{1000000};

// Whether a verdict may come while this vCPU waits, and help: the page is known, a process is what
// met it (a kernel may hold what the agent needs), and another vCPU can run the agent.
bool IsWorthHolding(const SeaExit& exit, std::uint64_t pstate, std::uint32_t vcpus);

enum class HoldEnd {
  kVerdict,      // the guest has said what became of the page
  kNone,         // the notifier knows of no verdict to wait for
  kInterrupted,  // the VMM wants its thread back
  kTimedOut,
};

// To be called when the last exit of this vCPU was published with `held`; one that was lost ends at
// once. Counts what happens. Keeps errno.
HoldEnd HoldForVerdict(RingProducer& ring, std::uint32_t vcpu, std::chrono::microseconds patience,
                       const volatile std::uint8_t* immediate_exit, const Clock& clock) noexcept;

}  // namespace seaward::vmm
