// The alarms of one VM. Each change is logged once, recorded, and told to watchers; saying again
// what stands already costs nothing.
//
// Thread: the loop's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "host-notifier/app/vm_context.h"
#include "host-notifier/observe/snapshot.h"

namespace seaward {

class VmAlarms {
 public:
  // The references outlive it. The ledger must have met the VM before its first alarm.
  VmAlarms(const VmContext& context, const ledger::VmIdentity& vm, const Logger& log)
      : context_(context), vm_(vm), log_(log) {}

  // `why` is for people.
  void Raise(ledger::AlarmKind kind, const std::string& why);
  // Also when this notifier never raised it: one before it may have.
  void Lower(ledger::AlarmKind kind);
  std::vector<observe::ActiveAlarm> active() const;

 private:
  struct State {
    bool raised = false;
    WallTime since;
  };
  // False: it stands like that.
  bool Change(ledger::AlarmKind kind, bool raised);

  const VmContext& context_;
  const ledger::VmIdentity& vm_;
  const Logger& log_;
  std::map<ledger::AlarmKind, State> states_;
};

}  // namespace seaward
