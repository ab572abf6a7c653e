#include "host-notifier/vmm/vcpu_hold.h"

#include "host-notifier/vmm/keep_errno.h"

namespace seaward::vmm {

bool IsWorthHolding(const SeaExit& exit, std::uint64_t pstate, std::uint32_t vcpus) {
  // PSTATE.M[3:0]: 0 is EL0t, or User mode of AArch32. The exit's own syndrome always speaks of a
  // lower EL: KVM's, not the guest's.
  constexpr std::uint64_t kModeBits = 0xf;
  return (exit.flags & kSeaFlagGpaValid) != 0 && (pstate & kModeBits) == 0 && vcpus > 1;
}

HoldEnd HoldForVerdict(RingProducer& ring, std::uint32_t vcpu, std::chrono::microseconds patience,
                       const volatile std::uint8_t* immediate_exit, const Clock& clock) noexcept {
  // Four looks in a hold of the usual length: a kick that was missed costs no more than this.
  constexpr std::chrono::microseconds kSlice{500};
  const std::uint64_t sequence = ring.LastSequence(vcpu);
  if (sequence == 0) return HoldEnd::kNone;
  const KeepErrno keep;
  ring.CountHold(RingProducer::HoldStep::kBegun);
  HeldFor answer = HeldFor::kUnanswered;
  const Waited waited = WaitAtExit(
      patience, kSlice, immediate_exit, [&clock] { return clock.Now(); },
      [&](std::chrono::nanoseconds slice) {
        answer = ring.AwaitVerdict(vcpu, sequence, slice);
        return answer != HeldFor::kUnanswered;
      });
  switch (waited) {
    case Waited::kInterrupted:
      return HoldEnd::kInterrupted;
    case Waited::kTimedOut:
      ring.CountHold(RingProducer::HoldStep::kTimedOut);
      return HoldEnd::kTimedOut;
    case Waited::kAnswered:
      break;
  }
  if (answer != HeldFor::kVerdict) return HoldEnd::kNone;
  ring.CountHold(RingProducer::HoldStep::kAnswered);
  return HoldEnd::kVerdict;
}

}  // namespace seaward::vmm
