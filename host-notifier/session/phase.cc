#include "host-notifier/session/phase.h"

namespace seaward::session {
namespace {

using enum Phase;
using enum Action;

Step OnChannelOpened(Phase phase) {
  switch (phase) {
    case kNoChannel:
      return {kCalling, {kCall, kPump}};
    case kCalling:
    case kGreeted:
    case kSyncing:
    case kLive:
    case kProbing:
    case kLost:
      return {kCalling, {kEnd, kCall, kPump}};
  }
  return {phase, {}};
}

Step OnNewHello(Phase phase) {
  switch (phase) {
    case kNoChannel:
      return {kNoChannel, {kRefuse}};
    case kCalling:
    case kGreeted:
    case kSyncing:
    case kLive:
    case kProbing:
    case kLost:
      return {kGreeted, {kEnd, kStart, kStopCalling, kReportHello}};
  }
  return {phase, {}};
}

Step OnSameHello(Phase phase) {
  switch (phase) {
    case kNoChannel:
    case kCalling:
      return {phase, {kRefuse}};
    case kGreeted:
      return {kGreeted, {}};
    case kSyncing:
      return {kSyncing, {kOweWelcome, kOweSync, kPump}};
    case kLive:
      return {kLive, {kOweWelcome, kOweSync, kPump}};
    case kProbing:
    case kLost:
      return {kSyncing, {kStopCalling, kOweWelcome, kOweSync, kPump}};
  }
  return {phase, {}};
}

Step OnWantedKnown(Phase phase) {
  switch (phase) {
    case kNoChannel:
    case kCalling:
      return {phase, {}};
    case kGreeted:
      return {kSyncing, {kChoose, kOweWelcome, kOweSync, kPump}};
    case kSyncing:
    case kLive:
      return {kSyncing, {kOweWelcome, kOweSync, kPump}};
    case kProbing:
    case kLost:
      return {phase, {kOweWelcome, kOweSync, kPump}};
  }
  return {phase, {}};
}

Step OnHeard(Phase phase) {
  switch (phase) {
    case kNoChannel:
    case kCalling:
    case kGreeted:
      return {phase, {kRefuse}};
    case kSyncing:
    case kLive:
      return {phase, {}};
    case kProbing:
    case kLost:
      return {kSyncing, {kStopCalling, kOweSync, kPump}};
  }
  return {phase, {}};
}

Step OnAllAnswered(Phase phase) {
  switch (phase) {
    case kNoChannel:
    case kCalling:
    case kGreeted:
      return {phase, {kRefuse}};
    case kSyncing:
      return {kLive, {kReportSynced}};
    case kLive:
      return {kLive, {}};
    case kProbing:
    case kLost:
      return {kLive, {kStopCalling, kReportSynced}};
  }
  return {phase, {}};
}

// The set grew or shrank: a guest that still counts towards the old digest needs the new one.
Step OnSetChanged(Phase phase) {
  switch (phase) {
    case kNoChannel:
    case kCalling:
    case kGreeted:
      return {phase, {}};
    case kSyncing:
      return {kSyncing, {kOweSync, kPump}};
    case kLive:
    case kProbing:
    case kLost:
      return {phase, {kPump}};
  }
  return {phase, {}};
}

Step OnQuiet(Phase phase) {
  switch (phase) {
    case kNoChannel:
    case kCalling:
    case kGreeted:
    case kLost:
      return {phase, {}};
    case kSyncing:
    case kLive:
      return {kProbing, {kOwePing, kPump}};
    case kProbing:
      return {kLost, {kCall, kPump}};
  }
  return {phase, {}};
}

}  // namespace

Step Advance(Phase phase, Event event) {
  switch (event) {
    case Event::kChannelOpened:
      return OnChannelOpened(phase);
    case Event::kChannelClosed:
      return {kNoChannel, phase == kNoChannel ? Actions{} : Actions{kEnd}};
    case Event::kChannelWritable:
      return {phase, phase == kNoChannel ? Actions{} : Actions{kPump}};
    case Event::kNewHello:
      return OnNewHello(phase);
    case Event::kSameHello:
      return OnSameHello(phase);
    case Event::kWantedKnown:
      return OnWantedKnown(phase);
    case Event::kHeard:
      return OnHeard(phase);
    case Event::kAllAnswered:
      return OnAllAnswered(phase);
    case Event::kDelivered:
    case Event::kForgotten:
      return OnSetChanged(phase);
    case Event::kResendDue:
      return {phase, Stands(phase) ? Actions{kResend, kPump} : Actions{}};
    case Event::kCallDue:
      return {phase, phase == kCalling || phase == kLost ? Actions{kCall, kPump} : Actions{}};
    case Event::kQuiet:
      return OnQuiet(phase);
  }
  return {phase, {}};
}

bool Stands(Phase phase) {
  switch (phase) {
    case kNoChannel:
    case kCalling:
    case kGreeted:
      return false;
    case kSyncing:
    case kLive:
    case kProbing:
    case kLost:
      return true;
  }
  return false;
}

std::string_view ToString(Phase phase) {
  switch (phase) {
    case kNoChannel:
      return "no_channel";
    case kCalling:
      return "calling";
    case kGreeted:
      return "greeted";
    case kSyncing:
      return "syncing";
    case kLive:
      return "live";
    case kProbing:
      return "probing";
    case kLost:
      return "lost";
  }
  return "unknown";
}

std::string_view ToString(Event event) {
  switch (event) {
    case Event::kChannelOpened:
      return "channel opened";
    case Event::kChannelClosed:
      return "channel closed";
    case Event::kChannelWritable:
      return "channel writable";
    case Event::kNewHello:
      return "new hello";
    case Event::kSameHello:
      return "same hello";
    case Event::kWantedKnown:
      return "wanted known";
    case Event::kHeard:
      return "heard";
    case Event::kAllAnswered:
      return "all answered";
    case Event::kDelivered:
      return "delivered";
    case Event::kForgotten:
      return "forgotten";
    case Event::kResendDue:
      return "resend due";
    case Event::kCallDue:
      return "call due";
    case Event::kQuiet:
      return "quiet";
  }
  return "unknown";
}

std::string_view ToString(Action action) {
  switch (action) {
    case kRefuse:
      return "refuse";
    case kEnd:
      return "end";
    case kStart:
      return "start";
    case kCall:
      return "call";
    case kStopCalling:
      return "stop calling";
    case kChoose:
      return "choose";
    case kResend:
      return "resend";
    case kOweWelcome:
      return "owe welcome";
    case kOweSync:
      return "owe sync";
    case kOwePing:
      return "owe ping";
    case kPump:
      return "pump";
    case kReportHello:
      return "report hello";
    case kReportSynced:
      return "report synced";
  }
  return "unknown";
}

}  // namespace seaward::session
