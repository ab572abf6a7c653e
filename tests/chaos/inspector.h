// Makes the machines well again, waits until everything that was said has its answer, and holds
// what the observers see against the book. docs/CHAOS.md lists the invariants by name.
#pragma once

#include <chrono>
#include <optional>

#include "tests/chaos/machines.h"
#include "tests/chaos/observations.h"
#include "tests/chaos/plan/book.h"
#include "tests/chaos/tally.h"

namespace seaward::chaos {

class Inspector {
 public:
  // `patience`: so long without any news the machines are done, or stuck.
  Inspector(Machines& machines, const Book& book, Tally& tally, std::chrono::seconds patience)
      : machines_(machines), book_(book), tally_(tally), patience_(patience) {}

  // kThorough also takes all of the guest's memory, and looks whether our processes rest.
  enum class Depth : std::uint8_t { kQuick, kThorough };
  std::optional<Violation> Settle(Depth depth);
  // What has to hold whatever became of the guest.
  std::optional<Violation> SettleWithoutGuest();

 private:
  using Finding = std::optional<Violation>;
  std::optional<LedgerPicture> AwaitAnswers();
  // Facts that have their row, and the row its verdict of this boot.
  std::size_t Answered(const LedgerPicture& picture) const;
  Finding MissingAnswer();

  Finding CheckRows(const LedgerPicture& picture);
  Finding CheckVerdicts(const LedgerPicture& picture) const;
  Finding CheckReplay(const LedgerPicture& picture) const;
  Finding CheckLosses(const LedgerPicture& picture);
  Finding CheckFrames(const LedgerPicture& picture);
  Finding CheckOldMemory();
  Finding CheckHandout(const LedgerPicture& picture);
  Finding CheckProcesses();
  Finding CheckRest();

  Machines& machines_;
  const Book& book_;
  Tally& tally_;
  const std::chrono::seconds patience_;
  std::optional<Usage> notifier_at_first_;
  std::optional<Usage> agent_at_first_;
};

}  // namespace seaward::chaos
