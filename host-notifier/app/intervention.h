// One intervention on one domain, step by step; the caller records each answer before it takes the
// next step.
//
// Thread: the loop's.
#pragma once

#include <chrono>
#include <functional>

#include "base/clock.h"
#include "host-notifier/app/domain_hands.h"
#include "host-notifier/ledger/decision_table.h"

namespace seaward {

// What became of a step. Without an event: libvirtd is out of reach, or the VM not known yet;
// nothing was done, and the same step is to be taken again later.
struct StepEnd {
  std::optional<policy::ActionEvent> event;
  ledger::AttemptNote note;
};

class Intervention {
 public:
  using Done = std::function<void(const StepEnd&)>;

  // Both outlive it and every step. `retry`: after what libvirt refused.
  Intervention(DomainHands& hands, const Clock& clock, std::chrono::milliseconds retry)
      : hands_(hands), clock_(clock), retry_(retry) {}

  // Whether it can be begun: kBegin with what must be kept, or kImpossible.
  void Prepare(const ledger::DecisionRow& row, Done done);
  // Of a row under way: does it, up to kVmStopped for a cold restart.
  void Carry(const ledger::DecisionRow& row, Done done);
  // Of a row that is restarting: starts the VM.
  void Start(const ledger::DecisionRow& row, Done done);
  // Of a row that an earlier notifier left under way: what the domain tells of it.
  void Judge(const ledger::DecisionRow& row, Done done);

 private:
  void Stop(const ledger::DecisionRow& row, Done done);
  void StopFailed(const ledger::DecisionRow& row, const Error& why, Done done);
  void StartFailed(const ledger::DecisionRow& row, const Error& why, Done done);
  ledger::AttemptNote Later(const std::string& why) const;

  DomainHands& hands_;
  const Clock& clock_;
  const std::chrono::milliseconds retry_;
};

}  // namespace seaward
