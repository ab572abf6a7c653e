// Carries out steps on the machines and notes in the book what they mean for the memory.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/dice.h"
#include "tests/chaos/machines.h"
#include "tests/chaos/plan/book.h"
#include "tests/chaos/plan/step.h"
#include "tests/chaos/tally.h"

namespace seaward::chaos {

class Actor {
 public:
  Actor(Machines& machines, Book& book, Tally& tally)
      : machines_(machines), book_(book), tally_(tally) {}

  // All but kSettle. An error: the machines do not do what they always do, which is a finding, too.
  Status Do(const Step& step);

 private:
  using Pages = std::vector<GuestPhysAddr>;
  Status DoToMemory(StepKind kind, Dice& dice);
  Status DoToProcesses(StepKind kind);
  Status DoToMachine(StepKind kind, Dice& dice);
  Status DoToChannel(StepKind kind, Dice& dice);

  // actor_memory.cc
  // Free frames that never were bad, anywhere in the largest run of them.
  Result<Pages> PickFree(std::size_t count, Dice& dice);
  Result<Pages> PagesOfProcess(const char* memory, std::size_t pages);
  Status GoBad(const Result<Pages>& pages, std::uint32_t vcpu = 0);
  Status GoBadAgain(Dice& dice);
  Status GoBadOfKernel(StepKind kind, Dice& dice);
  Status ReportRange(Dice& dice);
  Status ReportPredicted(Dice& dice);
  Status Flood(Dice& dice);

  // actor_machine.cc
  Status CrashUncommitted(Dice& dice);
  Status Boot(const std::function<Status()>& how);
  Status ReplaceVmm();
  Status HostileVmm(Dice& dice);

  // actor_channel.cc
  Status GarbageToHost(Dice& dice);
  Status Lose(Towards towards, Dice& dice);
  Status CutChannel(Dice& dice);
  Status FalseWord(bool of_this_session, Dice& dice);
  // The one row about the page once it was delivered; nullopt: not within the time.
  std::optional<std::uint64_t> DeliveredEntry(GuestPhysAddr page);

  Machines& machines_;
  Book& book_;
  Tally& tally_;
};

}  // namespace seaward::chaos
