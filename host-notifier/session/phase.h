// The state machine of a session as a table. Pure. phases.md shows the same table; a test compares.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace seaward::session {

enum class Phase : std::uint8_t {
  kNoChannel,  // nothing is connected
  kCalling,    // connected; asking for a hello
  kGreeted,    // the guest said hello; its wanted pages are not known here yet
  kSyncing,    // the session stands; the guest has not answered everything yet
  kLive,       // the guest has answered everything
  kProbing,    // silent for longer than the heartbeat; pinged
  kLost,       // silent after the ping too; asked for a new hello
};
inline constexpr Phase kAllPhases[] = {Phase::kNoChannel, Phase::kCalling, Phase::kGreeted,
                                       Phase::kSyncing,   Phase::kLive,    Phase::kProbing,
                                       Phase::kLost};

enum class Event : std::uint8_t {
  kChannelOpened,
  kChannelClosed,
  kChannelWritable,  // the port may take frames again
  kNewHello,         // a hello with a nonce that is not the session's
  kSameHello,        // the session's hello again: the guest has not seen our ack
  kWantedKnown,      // the wanted set is there, or was replaced
  kHeard,            // any other good frame of this session
  kAllAnswered,      // the guest said sync and no entry waits for a verdict
  kDelivered,        // an entry was added to the wanted set
  kForgotten,        // pages left the wanted set
  kResendDue,
  kCallDue,
  kQuiet,  // the heartbeat passed without a frame
};
inline constexpr Event kAllEvents[] = {
    Event::kChannelOpened, Event::kChannelClosed, Event::kChannelWritable, Event::kNewHello,
    Event::kSameHello,     Event::kWantedKnown,   Event::kHeard,           Event::kAllAnswered,
    Event::kDelivered,     Event::kForgotten,     Event::kResendDue,       Event::kCallDue,
    Event::kQuiet};

// In the order in which a step performs them.
enum class Action : std::uint8_t {
  kRefuse,        // count it: not allowed now
  kEnd,           // forget the session and all that was owed to it
  kStart,         // take over the hello's nonce
  kCall,          // owe a hello request, and the next call
  kStopCalling,   // somebody answered
  kChoose,        // which entries this boot still has to be given
  kResend,        // what is not answered, again
  kOweWelcome,    // hello-ack
  kOweSync,       // digest of the wanted set
  kOwePing,       //
  kPump,          // send what is owed and what is queued
  kReportHello,   //
  kReportSynced,  //
};

// A small set of actions.
class Actions {
 public:
  constexpr Actions() = default;
  constexpr Actions(std::initializer_list<Action> actions) {
    for (const Action action : actions) bits_ |= Bit(action);
  }
  constexpr bool Has(Action action) const { return (bits_ & Bit(action)) != 0; }
  constexpr bool operator==(const Actions&) const = default;

 private:
  static constexpr std::uint32_t Bit(Action action) {
    return std::uint32_t{1} << static_cast<unsigned>(action);
  }
  std::uint32_t bits_ = 0;
};

struct Step {
  Phase next;
  Actions actions;
};

Step Advance(Phase phase, Event event);

// A session stands: its nonce counts and entries may be sent.
bool Stands(Phase phase);

std::string_view ToString(Phase phase);
std::string_view ToString(Event event);
std::string_view ToString(Action action);

}  // namespace seaward::session
