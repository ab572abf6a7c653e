#include "tests/chaos/plan/situation.h"

namespace seaward::chaos {

bool Situation::Matters(StepKind kind) const {
  const bool notifier_works = !notifier_dead_ && !notifier_stopped_ && !disk_full_;
  switch (kind) {
    case StepKind::kKillAgent:
    case StepKind::kStopAgent:
      return !agent_dead_ && !agent_stopped_;
    case StepKind::kContinueAgent:
      return agent_stopped_;
    case StepKind::kStartAgent:
      return agent_dead_;
    case StepKind::kKillNotifier:
      return !notifier_dead_;
    case StepKind::kStopNotifier:
    case StepKind::kDiskFull:
      return notifier_works;
    case StepKind::kContinueNotifier:
      return notifier_stopped_;
    case StepKind::kStartNotifier:
      return notifier_dead_;
    case StepKind::kDiskFree:
      return disk_full_;
    case StepKind::kPause:
      return !paused_;
    case StepKind::kResume:
      return paused_;
    case StepKind::kCrashUncommitted:
    case StepKind::kCutChannel:
    case StepKind::kReportRange:
    case StepKind::kReportPredicted:
      return notifier_works;
    case StepKind::kForgedVerdict:
    case StepKind::kLyingGuest:
      return notifier_works && !agent_dead_ && !agent_stopped_;
    case StepKind::kPoisonAgain:
      return memory_bad_;
    case StepKind::kSettle:
      return !settled_;
    default:
      return true;
  }
}

void Situation::Happens(StepKind kind) {
  settled_ = false;
  switch (kind) {
    case StepKind::kKillAgent:
      agent_dead_ = true;
      return;
    case StepKind::kStopAgent:
      agent_stopped_ = true;
      return;
    case StepKind::kContinueAgent:
      agent_stopped_ = false;
      return;
    case StepKind::kStartAgent:
      agent_dead_ = false;
      return;
    case StepKind::kKillNotifier:
      notifier_stopped_ = disk_full_ = false;
      notifier_dead_ = true;
      return;
    case StepKind::kStopNotifier:
      notifier_stopped_ = true;
      return;
    case StepKind::kContinueNotifier:
      notifier_stopped_ = false;
      return;
    case StepKind::kStartNotifier:
      notifier_dead_ = false;
      return;
    case StepKind::kDiskFull:
      disk_full_ = true;
      return;
    case StepKind::kDiskFree:
      disk_full_ = false;
      return;
    case StepKind::kPause:
      paused_ = true;
      return;
    case StepKind::kResume:
      paused_ = false;
      return;
    case StepKind::kKillVmm:
    case StepKind::kHostileVmm:
      memory_bad_ = false;
      [[fallthrough]];
    case StepKind::kReset:
    case StepKind::kReboot:
    case StepKind::kPanic:
      agent_dead_ = agent_stopped_ = paused_ = false;
      return;
    case StepKind::kSettle:
      agent_dead_ = agent_stopped_ = paused_ = false;
      notifier_dead_ = notifier_stopped_ = disk_full_ = false;
      settled_ = true;
      return;
    default:
      if (kind < StepKind::kKillAgent) memory_bad_ = true;
      return;
  }
}

}  // namespace seaward::chaos
