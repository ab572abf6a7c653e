// What a Session needs from outside: a way to send, and somebody to tell. Implemented by the owner
// of the session; hand-written fakes in session_fakes.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/uuid.h"
#include "host-notifier/session/phase.h"
#include "protocol/messages.h"

namespace seaward::session {

class SessionPort {
 public:
  virtual ~SessionPort() = default;
  // Takes the whole frame or none of it (false: full or not open). Never blocks. A refused frame
  // is offered again at ChannelWritable() or the next Tick().
  virtual bool Send(std::span<const std::byte> frame) = 0;
};

// What a guest did that the protocol forbids or that cannot be believed. Each is survived, counted
// and reported; none ends the session.
enum class ProtocolFault : std::uint8_t {
  kGarbage,         // bytes that are no frame (count = bytes)
  kForeignVersion,  // a frame of another protocol version
  kUnknownType,     // a frame type that we do not know
  kMalformed,       // a payload that breaks the spec
  kWrongNonce,      // a frame of another session: stale bytes of an earlier boot, mostly
  kOldSequence,     // a frame number that was used already
  kLostFrames,      // frame numbers were skipped (count = frames)
  kUnexpected,      // a message that a guest may not send, or not now
  kHelloFlood,      // more new sessions than SessionLimits allows
  kUnknownPage,     // a verdict on an id that this boot was never given
  kForeignRange,    // a verdict on memory outside its entry
  kContradiction,   // a second, different final verdict; the first stands
  kTooManyPieces,   // more pieces than SessionLimits allows
  kTooManyClaims,   // says that it knows more pages than SessionLimits allows (count = pages)
  kTooManyLosses,   // tells of more losses than SessionLimits allows (count = losses)
  kFlood,           // more bytes than SessionLimits allows: not read for a while (count = pauses)
};
inline constexpr std::size_t kProtocolFaults = 16;
std::string_view ToString(ProtocolFault fault);

// Calls come from inside the Session's own methods, on the caller's thread. A listener may call
// Deliver, Begin and Forget in them, but not BytesReceived, and must not destroy the session.
class SessionListener {
 public:
  virtual ~SessionListener() = default;
  // A new session begins. `new_boot` is false when it is of the boot that the session knew already.
  virtual void OnHello(const protocol::Hello& hello, bool new_boot) = 0;
  // The entry's frame was handed to the port for the first time in this boot.
  virtual void OnSent(const protocol::PoisonEntry& entry, const Uuid& boot_id) = 0;
  // Believable news on one entry; repetitions and contradictions never come here.
  virtual void OnVerdict(const protocol::VerdictRecord& record, const Uuid& boot_id) = 0;
  // A part of what the guest says it knows: claims, asked for with Wanted::recall.
  virtual void OnKnown(const protocol::Known& known, const Uuid& boot_id) = 0;
  // The guest has answered every entry of the wanted set.
  virtual void OnSynced(const Uuid& boot_id, protocol::Stage stage) = 0;
  // The guest has given no verdict for SessionLimits::verdict_deadline, and owes `entries` of them.
  virtual void OnVerdictsOverdue(std::size_t entries) = 0;
  virtual void OnStats(const protocol::Stats& stats) = 0;
  // Of pages that this boot was given. What the texts say is the guest's word.
  virtual void OnLosses(const protocol::Losses& losses) = 0;
  virtual void OnBeforeKernel(const protocol::BeforeKernel& before) = 0;
  virtual void OnPhase(Phase phase) = 0;
  // At most once per fault and BytesReceived.
  virtual void OnProtocolFault(ProtocolFault fault, std::uint64_t count) = 0;
};

}  // namespace seaward::session
