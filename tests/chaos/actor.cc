#include "tests/chaos/actor.h"

#include <signal.h>

namespace seaward::chaos {

Status Actor::Do(const Step& step) {
  ++tally_.steps;
  Dice dice(step.chance);
  const auto first_of = [](StepKind kind) { return static_cast<int>(kind); };
  const int kind = first_of(step.kind);
  if (kind < first_of(StepKind::kKillAgent)) return DoToMemory(step.kind, dice);
  if (kind < first_of(StepKind::kReset)) {
    if (step.kind == StepKind::kKillVmm) return ReplaceVmm();
    if (step.kind == StepKind::kCrashUncommitted) return CrashUncommitted(dice);
    return DoToProcesses(step.kind);
  }
  if (kind < first_of(StepKind::kGarbageToGuest)) return DoToMachine(step.kind, dice);
  return DoToChannel(step.kind, dice);
}

Status Actor::DoToProcesses(StepKind kind) {
  switch (kind) {
    case StepKind::kKillAgent:
      ++tally_.kills;
      return machines_.KillAgent();
    case StepKind::kStopAgent:
      return machines_.SignalAgent(SIGSTOP);
    case StepKind::kContinueAgent:
      return machines_.SignalAgent(SIGCONT);
    case StepKind::kStartAgent:
      return machines_.StartAgent();
    case StepKind::kKillNotifier:
      ++tally_.kills;
      machines_.KillNotifier();
      return {};
    case StepKind::kStopNotifier:
      machines_.StopNotifier();
      return {};
    case StepKind::kContinueNotifier:
      machines_.ContinueNotifier();
      return {};
    case StepKind::kStartNotifier:
      return machines_.StartNotifier();
    case StepKind::kKillLibvirtd:
      ++tally_.kills;
      return machines_.KillLibvirtd();
    default:
      return Fail(ErrorCode::kInvalid, "no step of processes");
  }
}

}  // namespace seaward::chaos
