// Steps in which the machine, its VMM or the disk are what fails.
#include <algorithm>
#include <functional>

#include "tests/chaos/actor.h"
#include "tests/chaos/observations.h"
#include "tests/chaos/ring_scribbler.h"
#include "tests/support/wait_until.h"

namespace seaward::chaos {

Status Actor::DoToMachine(StepKind kind, Dice& dice) {
  switch (kind) {
    case StepKind::kReset:
      return Boot([this] { return machines_.Reset(); });
    case StepKind::kReboot:
      return Boot([this] { return machines_.Reboot(); });
    case StepKind::kPanic:
      return Boot([this] { return machines_.Panic(); });
    case StepKind::kPause:
      return machines_.Pause();
    case StepKind::kResume:
      return machines_.LetGuestRun();
    case StepKind::kClockJump: {
      const auto by = static_cast<std::int64_t>(dice.Below(4'000'000)) - 2'000'000;
      auto moved = machines_.AskGuest("move_clock", {{"by_s", by}});
      return moved ? Status() : Forward(moved);
    }
    case StepKind::kDiskFull:
      machines_.FillDisk();
      return {};
    case StepKind::kDiskFree:
      machines_.FreeDisk();
      return {};
    default:
      return Fail(ErrorCode::kInvalid, "no step of the machine");
  }
}

// What the ledger has when a boot begins beside a notifier that answers must be dealt with before
// that boot's init.
Status Actor::Boot(const std::function<Status()>& how) {
  LedgerPicture before;
  if (machines_.notifier_works()) {
    auto picture = LookAtLedger(machines_);
    if (!picture) return tl::unexpected<Error>(picture.error());
    before = std::move(*picture);
  }
  ++tally_.reboots;
  if (auto booted = how(); !booted) return booted;
  book_.NewBoot([&](const Fact& fact) { return !before.About(fact.range).empty(); });
  return {};
}

Status Actor::ReplaceVmm() {
  ++tally_.kills;
  ++tally_.reboots;
  book_.NewMemory();
  return machines_.ReplaceVmm();
}

Status Actor::HostileVmm(Dice& dice) {
  if (auto done = ScribbleOverRing(machines_.vmm_pid(), dice); !done) return done;
  // One honest exit rings the bell, if the scribble left that possible.
  const auto page = PickFree(1, dice);
  if (!page) return tl::unexpected<Error>(page.error());
  for (const GuestPhysAddr one : *page) machines_.Order(PublishOrder(one, 0));
  if (machines_.notifier_works() && !machines_.host().Seawardctl({"status"}))
    return Fail(ErrorCode::kClosed, "the notifier does not answer beside a hostile VMM");
  return ReplaceVmm();
}

// The page is told to the guest, and not yet on record, when the notifier dies: the ring has it.
Status Actor::CrashUncommitted(Dice& dice) {
  if (!machines_.notifier_works()) return {};
  const auto pages = PickFree(dice.Between(1, 3), dice);
  machines_.FillDisk();
  if (auto bad = GoBad(pages); !bad) return bad;
  if (machines_.agent_works()) {
    constexpr std::chrono::seconds kLongEnough{5};  // the guest may be about to reboot, or deaf
    (void)testing::WaitUntil(
        [&] {
          const auto flags = LookAtFrames(machines_, *pages);
          return flags && std::ranges::all_of(*flags, [](const FlagSet& frame) {
                   return frame.contains("HWPOISON");
                 });
        },
        kLongEnough);
  }
  ++tally_.kills;
  machines_.KillNotifier();
  return machines_.StartNotifier();
}

}  // namespace seaward::chaos
