// How things stand at a place in a schedule, as far as its steps alone say: so that a schedule does
// not stop what stands still, or continue what runs. The machines do not rely on it. Pure.
#pragma once

#include "tests/chaos/plan/step.h"

namespace seaward::chaos {

class Situation {
 public:
  // False: the step would change nothing, or be skipped.
  bool Matters(StepKind kind) const;
  void Happens(StepKind kind);

 private:
  bool agent_dead_ = false;
  bool agent_stopped_ = false;
  bool notifier_dead_ = false;
  bool notifier_stopped_ = false;
  bool disk_full_ = false;
  bool paused_ = false;
  bool memory_bad_ = false;  // some page is, in this memory
  bool settled_ = true;
};

}  // namespace seaward::chaos
