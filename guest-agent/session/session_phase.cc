#include "guest-agent/session/session_phase.h"

namespace seaward::agent {
namespace {

using A = SessionAction;
using P = SessionPhase;

SessionStep WithoutHost(SessionEvent event) {
  switch (event) {
    case SessionEvent::kHostConnected:
    case SessionEvent::kHelloRequested:  // whoever asks is there
      return {P::kGreeting, A::kGreet};
    case SessionEvent::kHostGone:
    case SessionEvent::kAcknowledged:  // bytes that a host left behind
    case SessionEvent::kHelloDue:
      return {P::kNoHost, A::kNone};
  }
  return {P::kNoHost, A::kNone};
}

SessionStep WhileGreeting(SessionEvent event) {
  switch (event) {
    case SessionEvent::kHostConnected:
      return {P::kGreeting, A::kGreet};
    case SessionEvent::kHelloRequested:
    case SessionEvent::kHelloDue:
      return {P::kGreeting, A::kRepeatHello};
    case SessionEvent::kAcknowledged:
      return {P::kLive, A::kBegin};
    case SessionEvent::kHostGone:
      return {P::kNoHost, A::kEnd};
  }
  return {P::kGreeting, A::kNone};
}

SessionStep WhileLive(SessionEvent event) {
  switch (event) {
    case SessionEvent::kHostConnected:
    case SessionEvent::kHelloRequested:  // the host started anew
      return {P::kGreeting, A::kGreet};
    case SessionEvent::kAcknowledged:  // the answer to a later Hello of the same greeting
      return {P::kLive, A::kBegin};
    case SessionEvent::kHostGone:
      return {P::kNoHost, A::kEnd};
    case SessionEvent::kHelloDue:
      return {P::kLive, A::kNone};
  }
  return {P::kLive, A::kNone};
}

}  // namespace

SessionStep Advance(SessionPhase phase, SessionEvent event) {
  switch (phase) {
    case SessionPhase::kNoHost:
      return WithoutHost(event);
    case SessionPhase::kGreeting:
      return WhileGreeting(event);
    case SessionPhase::kLive:
      return WhileLive(event);
  }
  return {SessionPhase::kNoHost, SessionAction::kNone};
}

std::string_view ToString(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::kNoHost:
      return "no_host";
    case SessionPhase::kGreeting:
      return "greeting";
    case SessionPhase::kLive:
      return "live";
  }
  return "unknown";
}

}  // namespace seaward::agent
