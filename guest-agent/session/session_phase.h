// The agent's end of a channel session as a table. Pure.
#pragma once

#include <array>
#include <string_view>

namespace seaward::agent {

enum class SessionPhase {
  kNoHost,    // nobody is connected to the port
  kGreeting,  // a Hello is out, no HelloAck yet
  kLive,
};

enum class SessionEvent {
  kHostConnected,
  kHostGone,
  kHelloRequested,
  kAcknowledged,  // a HelloAck for a Hello of this greeting
  kHelloDue,      // the Hello was not answered in time
};

enum class SessionAction {
  kNone,
  kGreet,  // a new Hello with a new nonce; the backoff starts again
  kRepeatHello,
  kBegin,
  kEnd,
};

struct SessionStep {
  SessionPhase next;
  SessionAction action;
  bool operator==(const SessionStep&) const = default;
};

SessionStep Advance(SessionPhase phase, SessionEvent event);

std::string_view ToString(SessionPhase phase);

}  // namespace seaward::agent
