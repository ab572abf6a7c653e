// The life of one decided action, as a table (actions.md). Pure. The row is written in its new
// state before anything is done, so that a notifier that is killed anywhere finds out what it was
// at.
#pragma once

#include <optional>
#include <string_view>

namespace seaward::policy {

enum class ActionState {
  kDryRun,      // would have been done
  kLimited,     // held back by a rate limit
  kRefused,     // cannot be done for this VM
  kPending,     // to be done, or to be tried again
  kUnderWay,    // begun
  kRestarting,  // cold restart: the VM is stopped, its frames are retired, it is to be started
  kDone,
  kFailed,
  kExpired,  // not done in time
  kUnknown,  // the notifier died while it was under way, and nobody can tell
};

enum class ActionEvent {
  kBegin,
  kVmStopped,
  kSucceeded,
  kFailedForNow,  // to be tried again
  kFailedForGood,
  kImpossible,
  kTooLate,
  kInterrupted,  // found under way by the next notifier; must not be repeated
  kNothingDone,  // the same, but it had no effect, or may be repeated
};

inline constexpr ActionState kAllActionStates[] = {
    ActionState::kDryRun,   ActionState::kLimited,    ActionState::kRefused, ActionState::kPending,
    ActionState::kUnderWay, ActionState::kRestarting, ActionState::kDone,    ActionState::kFailed,
    ActionState::kExpired,  ActionState::kUnknown};
inline constexpr ActionEvent kAllActionEvents[] = {
    ActionEvent::kBegin,        ActionEvent::kVmStopped,     ActionEvent::kSucceeded,
    ActionEvent::kFailedForNow, ActionEvent::kFailedForGood, ActionEvent::kImpossible,
    ActionEvent::kTooLate,      ActionEvent::kInterrupted,   ActionEvent::kNothingDone};

// The state after `event`; nullopt where the event cannot happen.
std::optional<ActionState> Advance(ActionState state, ActionEvent event);

// Something is left to do.
bool IsOpen(ActionState state);

std::string_view ToString(ActionState state);
std::string_view ToString(ActionEvent event);

}  // namespace seaward::policy
