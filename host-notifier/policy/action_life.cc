#include "host-notifier/policy/action_life.h"

namespace seaward::policy {
namespace {

using State = ActionState;
using Event = ActionEvent;

std::optional<State> FromPending(Event event) {
  switch (event) {
    case Event::kBegin:
      return State::kUnderWay;
    case Event::kImpossible:
      return State::kRefused;
    case Event::kTooLate:
      return State::kExpired;
    case Event::kVmStopped:
    case Event::kSucceeded:
    case Event::kFailedForNow:
    case Event::kFailedForGood:
    case Event::kInterrupted:
    case Event::kNothingDone:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<State> FromUnderWay(Event event) {
  switch (event) {
    case Event::kVmStopped:
      return State::kRestarting;
    case Event::kSucceeded:
      return State::kDone;
    case Event::kFailedForNow:
    case Event::kNothingDone:
      return State::kPending;
    case Event::kFailedForGood:
      return State::kFailed;
    case Event::kImpossible:
      return State::kRefused;
    case Event::kInterrupted:
      return State::kUnknown;
    case Event::kBegin:
    case Event::kTooLate:
      return std::nullopt;
  }
  return std::nullopt;
}

// The VM is down by our hand: only starting it, or giving up loudly, ends this.
std::optional<State> FromRestarting(Event event) {
  switch (event) {
    case Event::kBegin:
    case Event::kFailedForNow:
    case Event::kInterrupted:
    case Event::kNothingDone:
      return State::kRestarting;
    case Event::kSucceeded:
      return State::kDone;
    case Event::kFailedForGood:
    case Event::kTooLate:
      return State::kFailed;
    case Event::kVmStopped:
    case Event::kImpossible:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ActionState> Advance(ActionState state, ActionEvent event) {
  switch (state) {
    case State::kPending:
      return FromPending(event);
    case State::kUnderWay:
      return FromUnderWay(event);
    case State::kRestarting:
      return FromRestarting(event);
    case State::kDryRun:
    case State::kLimited:
    case State::kRefused:
    case State::kDone:
    case State::kFailed:
    case State::kExpired:
    case State::kUnknown:
      return std::nullopt;
  }
  return std::nullopt;
}

bool IsOpen(ActionState state) {
  return state == State::kPending || state == State::kUnderWay || state == State::kRestarting;
}

std::string_view ToString(ActionState state) {
  switch (state) {
    case State::kDryRun:
      return "dry_run";
    case State::kLimited:
      return "limited";
    case State::kRefused:
      return "refused";
    case State::kPending:
      return "pending";
    case State::kUnderWay:
      return "under_way";
    case State::kRestarting:
      return "restarting";
    case State::kDone:
      return "done";
    case State::kFailed:
      return "failed";
    case State::kExpired:
      return "expired";
    case State::kUnknown:
      return "unknown";
  }
  return "";
}

std::string_view ToString(ActionEvent event) {
  switch (event) {
    case Event::kBegin:
      return "begin";
    case Event::kVmStopped:
      return "VM stopped";
    case Event::kSucceeded:
      return "succeeded";
    case Event::kFailedForNow:
      return "failed for now";
    case Event::kFailedForGood:
      return "failed for good";
    case Event::kImpossible:
      return "impossible";
    case Event::kTooLate:
      return "too late";
    case Event::kInterrupted:
      return "interrupted";
    case Event::kNothingDone:
      return "nothing done";
  }
  return "";
}

}  // namespace seaward::policy
