// The half of Session that listens. Everything here was written by the guest.
#include <variant>

#include "base/mutants.h"
#include "host-notifier/session/session.h"
#include "protocol/codec.h"

namespace seaward::session {

using protocol::Frame;
using protocol::FrameHeader;
using protocol::Message;
using protocol::Nonce;
using protocol::VerdictRecord;

void Session::BytesReceived(std::span<const std::byte> bytes) {
  if (phase_ == Phase::kNoChannel) return;
  read_budget_.Take(bytes.size());
  reader_.Feed(bytes, [this](const Frame& frame) { FrameHeard(frame); });
  CountGarbage();
  if (Stands(phase_)) Dispatch(Event::kChannelWritable);  // answers made room
  faults_.ReportTo(listener_);
}

void Session::CountGarbage() {
  const std::uint64_t garbage = reader_.dropped_bytes() - garbage_counted_;
  const std::uint64_t foreign = reader_.foreign_frames() - foreign_counted_;
  garbage_counted_ += garbage;
  foreign_counted_ += foreign;
  if (garbage != 0) faults_.Add(ProtocolFault::kGarbage, garbage);
  if (foreign != 0) faults_.Add(ProtocolFault::kForeignVersion, foreign);
  if (limits_.garbage_cost > 1) read_budget_.Take(garbage * (limits_.garbage_cost - 1));
}

void Session::FrameHeard(const Frame& frame) {
  const bool greets = frame.header.type == protocol::MessageType::kHello;
  const bool foreign = frame.header.nonce != nonce_ && !Lives(Mutant::kForgetNonce);
  if (!greets && (nonce_ == Nonce::kNone || foreign)) {
    faults_.Add(ProtocolFault::kWrongNonce);
    return;
  }
  const Result<Message> message = protocol::Decode(frame);
  if (!message) {
    faults_.Add(message.error().code == ErrorCode::kUnsupported ? ProtocolFault::kUnknownType
                                                                : ProtocolFault::kMalformed);
    return;
  }
  if (const auto* hello = std::get_if<protocol::Hello>(&*message)) {
    HelloHeard(frame.header, *hello);
    return;
  }
  if (!AcceptSequence(frame.header.sequence)) return;
  Dispatch(Event::kHeard);
  if (!Stands(phase_)) return;
  GuestHeard();
  outbox_.WelcomeAnswered();
  MessageHeard(*message);
  CheckAllAnswered();
}

void Session::HelloHeard(const FrameHeader& header, const protocol::Hello& hello) {
  if (header.nonce == Nonce::kNone) {
    faults_.Add(ProtocolFault::kMalformed);
    return;
  }
  if (header.nonce == nonce_) {
    if (AcceptSequence(header.sequence)) Dispatch(Event::kSameHello);
    return;
  }
  if (!hello_budget_.TryTake(clock_.Now())) {
    faults_.Add(ProtocolFault::kHelloFlood);
    return;
  }
  greeting_ = {header.nonce, header.sequence, hello};
  Dispatch(Event::kNewHello);
  if (wanted_known_ && phase_ == Phase::kGreeted) Dispatch(Event::kWantedKnown);
}

bool Session::AcceptSequence(std::uint32_t sequence) {
  if (sequence <= heard_sequence_) {
    faults_.Add(ProtocolFault::kOldSequence);
    return false;
  }
  const std::uint32_t missing = sequence - heard_sequence_ - 1;
  if (missing != 0) faults_.Add(ProtocolFault::kLostFrames, missing);
  heard_sequence_ = sequence;
  return true;
}

void Session::MessageHeard(const Message& message) {
  if (const auto* verdict = std::get_if<protocol::Verdict>(&message)) {
    VerdictHeard(*verdict);
  } else if (const auto* known = std::get_if<protocol::Known>(&message)) {
    KnownHeard(*known);
  } else if (std::holds_alternative<protocol::Sync>(message)) {
    guest_said_sync_ = true;
  } else if (const auto* stats = std::get_if<protocol::Stats>(&message)) {
    listener_.OnStats(*stats);
  } else if (const auto* losses = std::get_if<protocol::Losses>(&message)) {
    LossesHeard(*losses);
  } else if (const auto* before = std::get_if<protocol::BeforeKernel>(&message)) {
    listener_.OnBeforeKernel(*before);
  } else if (std::holds_alternative<protocol::Ping>(message)) {
    outbox_.OwePong();
  } else if (std::holds_alternative<protocol::Pong>(message)) {
    outbox_.PingAnswered();
  } else {
    faults_.Add(ProtocolFault::kUnexpected);  // a host's message
  }
}

void Session::LossesHeard(const protocol::Losses& losses) {
  protocol::Losses believed;
  for (const protocol::Loss& loss : losses.losses) {
    if (!pages_.WasGiven(loss.id, loss.range, greeting_.hello.page_size))
      faults_.Add(ProtocolFault::kUnknownPage);
    else if (!loss_budget_.TryTake(clock_.Now()))
      faults_.Add(ProtocolFault::kTooManyLosses);
    else
      believed.losses.push_back(loss);
  }
  if (!believed.losses.empty()) listener_.OnLosses(believed);
}

void Session::KnownHeard(protocol::Known known) {
  if (!recalling_) {
    faults_.Add(ProtocolFault::kUnexpected);
    return;
  }
  const std::size_t room = limits_.max_known_records - known_heard_;
  if (known.records.size() > room) {
    faults_.Add(ProtocolFault::kTooManyClaims, known.records.size() - room);
    known.records.resize(room);
  }
  known_heard_ += known.records.size();
  if (known.last) recalling_ = false;
  if (known.last || !known.records.empty()) listener_.OnKnown(known, boot_id_);
}

void Session::VerdictHeard(const protocol::Verdict& verdict) {
  const Nonce session = nonce_;
  bool progress = false;
  for (const VerdictRecord& record : verdict.records) {
    const Judgement judgement = pages_.Judge(record, greeting_.hello.page_size, clock_.Now());
    if (judgement.proven_sequence) outbox_.Proven(*judgement.proven_sequence);
    switch (judgement.belief) {
      case Belief::kNews:
        progress = true;
        listener_.OnVerdict(record, boot_id_);
        if (nonce_ != session) return;  // the listener ended the session
        break;
      case Belief::kRepeated:
        break;
      case Belief::kUnknownPage:
        faults_.Add(ProtocolFault::kUnknownPage);
        break;
      case Belief::kForeignRange:
        faults_.Add(ProtocolFault::kForeignRange);
        break;
      case Belief::kContradiction:
        faults_.Add(ProtocolFault::kContradiction);
        break;
      case Belief::kTooManyPieces:
        faults_.Add(ProtocolFault::kTooManyPieces);
        break;
    }
  }
  if (pages_.in_flight() == 0) outbox_.AllProven();
  if (!progress) return;
  resends_.Start(clock_.Now());  // Pump stops it when nothing is unanswered
  verdicts_due_.reset();         // WatchVerdicts begins anew
  overdue_ = false;
}

}  // namespace seaward::session
