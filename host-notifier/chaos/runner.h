// Plays a plan against a VM and its notifier, and writes down what happens.
#pragma once

#include <functional>
#include <string>

#include "host-notifier/chaos/plan.h"
#include "host-notifier/chaos/record.h"
#include "host-notifier/chaos/victim.h"

namespace seaward::chaos {

struct RunWords {
  std::string scenario;
  std::string about;
  std::string vm;
  std::string vm_uuid;
};

class Runner {
 public:
  // Called often; `act` is 0 before the first.
  using Progress = std::function<void(const RunRecord& run, std::size_t act)>;
  Runner(Victim& victim, Witness& witness, Waiting& waiting, Progress progress)
      : victim_(victim), witness_(witness), waiting_(waiting), progress_(std::move(progress)) {}

  // Fails only when the run could not begin: no notifier, or a VM that it does not know.
  Result<RunRecord> Play(const Plan& plan, std::chrono::seconds settle_limit, RunWords words);

 private:
  struct Ended {
    ActEnd end = ActEnd::kDone;
    std::string detail;
  };
  static Ended EndOf(const Status& status);
  void PlayAct(const PlannedAct& act);
  Ended Do(const PlannedAct& act);
  Ended Poison(const PlannedAct& act);
  Ended Tell(GuestPhysAddr page, const ActPattern& pattern);
  Ended Settle();
  // Ends where the last look shows everything at rest. False after `limit` or an interruption.
  bool WaitUntil(std::chrono::milliseconds limit, const std::function<bool()>& holds);
  bool IsSettled() const;
  // Looks at the VM once, and notes what is new.
  void Look();
  void NoteBoot(const std::string& boot_id);
  void NotePages();
  milliseconds Elapsed() const;
  PageRecord& RecordOf(GuestPhysAddr page, const ActPattern& pattern);

  Victim& victim_;
  Witness& witness_;
  Waiting& waiting_;
  const Progress progress_;
  MonoTime began_;
  std::chrono::seconds settle_limit_{0};
  RunRecord run_;
  VmPicture now_;
  bool answers_ = false;  // to the last look
  std::string boot_id_;
  bool paused_ = false;
  std::uint64_t lost_before_ = 0;
};

}  // namespace seaward::chaos
