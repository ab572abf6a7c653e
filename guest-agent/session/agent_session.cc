#include "guest-agent/session/agent_session.h"

#include <algorithm>
#include <variant>

namespace seaward::agent {
namespace {

using protocol::Message;
using protocol::Nonce;

// Hellos that may still be answered; by the time a fifth is out, the first is half a minute old.
constexpr std::size_t kMaxOffered = 4;
// The Hello is its session's first frame.
constexpr std::uint32_t kHelloSequence = 1;

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

}  // namespace

AgentSession::AgentSession(const AgentIdentity& identity, const SessionLimits& limits,
                           const Clock& clock, RetirementDesk& desk, SessionEdge& edge)
    : identity_(identity),
      limits_(limits),
      clock_(clock),
      desk_(desk),
      edge_(edge),
      outbox_(limits.outbox_records) {}

void AgentSession::HostConnected() {
  Happened(SessionEvent::kHostConnected);
}

void AgentSession::HostGone() {
  reader_.Reset();
  Happened(SessionEvent::kHostGone);
}

void AgentSession::Happened(SessionEvent event) {
  const SessionStep step = Advance(phase_, event);
  phase_ = step.next;
  switch (step.action) {
    case SessionAction::kNone:
      return;
    case SessionAction::kGreet:
      End();
      hello_delay_ = limits_.hello_initial;
      SendHello();
      return;
    case SessionAction::kRepeatHello:
      SendHello();
      return;
    case SessionAction::kBegin:
      Begin();
      return;
    case SessionAction::kEnd:
      End();
      return;
  }
}

// A request that arrives right after a Hello was sent before that Hello was heard.
void AgentSession::HelloRequested() {
  const MonoTime now = clock_.Now();
  if (!last_hello_ || now - *last_hello_ >= limits_.hello_gap) {
    Happened(SessionEvent::kHelloRequested);
  } else if (phase_ == SessionPhase::kLive) {
    // Not lost: a host that started anew asks again, and at the latest then is answered.
    ++rejected_frames_;
  }
}

void AgentSession::SendHello() {
  const MonoTime now = clock_.Now();
  nonce_ = Nonce{std::max<std::uint64_t>(edge_.ChooseNonce(), 1)};
  offered_.push_back(Offer{nonce_, dealt_with_});
  if (offered_.size() > kMaxOffered) offered_.pop_front();
  sent_sequence_ = kHelloSequence - 1;
  (void)Send(protocol::Hello{.boot_id = identity_.boot_id,
                             .machine = identity_.machine,
                             .incarnation = identity_.incarnation,
                             .stage = identity_.stage,
                             .page_size = static_cast<std::uint32_t>(identity_.page_size.bytes),
                             .digest = dealt_with_.digest(),
                             .entries = dealt_with_.entries(),
                             .agent_version = identity_.version});
  last_hello_ = now;
  hello_due_ = now + hello_delay_;
  hello_delay_ = std::min(hello_delay_ * 2, limits_.hello_max);
}

void AgentSession::Begin() {
  sent_sequence_ = kHelloSequence;
  hello_due_.reset();
  wanted_.reset();
  given_.Clear();
  synced_ = false;
  known_.clear();
  outbox_.BeginSession();
  identity_.incarnation = ack_->incarnation;
  edge_.OnLive(*ack_);
  FlushVerdicts();
}

void AgentSession::End() {
  offered_.clear();
  nonce_ = Nonce::kNone;
  hello_due_.reset();
  send_due_.reset();
  wanted_.reset();
  synced_ = false;
  known_.clear();
  outbox_.EndSession();
}

void AgentSession::BytesReceived(std::span<const std::byte> bytes) {
  reader_.Feed(bytes, [this](const protocol::Frame& frame) { HandleFrame(frame); });
}

void AgentSession::HandleFrame(const protocol::Frame& frame) {
  const auto message = protocol::Decode(frame);
  if (message && std::holds_alternative<protocol::HelloRequest>(*message)) {
    HelloRequested();
    return;
  }
  if (message) {
    if (const auto* ack = std::get_if<protocol::HelloAck>(&*message)) {
      HandleAck(frame, *ack);
      return;
    }
    if (FromThisSession(frame.header)) {
      HandleLive(*message);
      return;
    }
  }
  ++rejected_frames_;
}

void AgentSession::HandleAck(const protocol::Frame& frame, const protocol::HelloAck& ack) {
  const Nonce nonce = frame.header.nonce;
  if (FromThisSession(frame.header)) {
    ack_ = ack;
    identity_.incarnation = ack.incarnation;
    edge_.OnLive(ack);
    return;
  }
  const auto offered = std::find_if(offered_.begin(), offered_.end(),
                                    [nonce](const Offer& offer) { return offer.nonce == nonce; });
  const bool stands = phase_ == SessionPhase::kLive && nonce == nonce_;
  if (offered == offered_.end() || stands) {
    ++rejected_frames_;
    // An old hello of this port reached the host late: it hears our session no more.
    if (phase_ == SessionPhase::kLive && !stands) greet_again_ = true;
    return;
  }
  offered_.erase(offered_.begin(), offered);
  nonce_ = nonce;
  received_sequence_ = frame.header.sequence;
  ack_ = ack;
  Happened(SessionEvent::kAcknowledged);
}

bool AgentSession::FromThisSession(const protocol::FrameHeader& header) {
  if (phase_ != SessionPhase::kLive || header.nonce != nonce_) return false;
  if (header.sequence <= received_sequence_) return false;
  received_sequence_ = header.sequence;
  return true;
}

void AgentSession::HandleLive(const Message& message) {
  std::visit(
      Overloaded{[this](const protocol::Poison& poison) { HandlePoison(poison); },
                 [this](const protocol::Sync& sync) { HandleSync(sync); },
                 [this](const protocol::Clear& clear) { HandleClear(clear); },
                 [this](const protocol::Ping&) {
                   if (Send(protocol::Pong{})) (void)Send(CurrentStats());
                 },
                 [](const protocol::Pong&) {}, [this](const protocol::Recall&) { HandleRecall(); },
                 // Only a guest says these, or they were dealt with before.
                 [this](const auto&) { ++rejected_frames_; }},
      message);
}

void AgentSession::HandlePoison(const protocol::Poison& poison) {
  for (const protocol::PoisonEntry& entry : poison.entries) {
    if (!desk_.Submit(entry)) return;  // no room: the host sends again what gets no verdict
    // A predicted error is never part of a digest.
    if (entry.evidence != protocol::Evidence::kPredicted) given_.Insert(entry.range);
  }
}

void AgentSession::HandleSync(const protocol::Sync& sync) {
  // The host found its own set in our Hello and will not repeat it.
  const protocol::PageSet& told = offered_.front().dealt_with;
  if (!wanted_ && sync.digest == told.digest() && sync.entries == told.entries()) {
    for (const ByteRange& range : told.ranges()) given_.Insert(range);
  }
  wanted_ = sync;
}

void AgentSession::HandleRecall() {
  const auto answer = protocol::KnownAnswer(edge_.KnownPages());
  known_.assign(answer.begin(), answer.end());
  FlushKnown();
}

void AgentSession::FlushKnown() {
  while (phase_ == SessionPhase::kLive && !known_.empty()) {
    if (!Send(known_.front())) return;
    known_.pop_front();
  }
}

void AgentSession::HandleClear(const protocol::Clear& clear) {
  for (const ByteRange& range : clear.ranges) {
    desk_.Forget(range);
    dealt_with_.Erase(range);
    given_.Erase(range);
    edge_.OnForgotten(range);
  }
}

void AgentSession::Work() {
  const MonoTime now = clock_.Now();
  if (hello_due_ && *hello_due_ <= now) {
    hello_due_.reset();
    Happened(SessionEvent::kHelloDue);
  }
  if (desk_.HasWork()) Report(desk_.Work(limits_.slice_pages));
  send_due_.reset();
  FlushKnown();
  FlushVerdicts();
  GreetAgain(now);
  CheckSynced();
}

// Once for all that is outdated, and not sooner than the host takes a new session. Without a
// session the next Hello says it.
void AgentSession::GreetAgain(MonoTime now) {
  if (phase_ == SessionPhase::kNoHost) greet_again_ = false;
  if (!greet_again_ || phase_ != SessionPhase::kLive || desk_.HasWork()) return;
  if (now - *last_hello_ < limits_.hello_gap) return;
  greet_again_ = false;
  Happened(SessionEvent::kHelloRequested);
}

void AgentSession::Report(const RetirementProgress& progress) {
  outbox_.Add(progress.records);
  if (phase_ == SessionPhase::kLive) {
    FlushVerdicts();
  } else {
    outbox_.EndSession();
  }
  for (const protocol::PoisonEntry& entry : progress.finished) {
    if (entry.evidence != protocol::Evidence::kPredicted) dealt_with_.Insert(entry.range);
  }
  for (const ByteRange& range : progress.outdated) {
    dealt_with_.Erase(range);
    greet_again_ = true;
  }
  edge_.OnProgress(progress);
}

void AgentSession::FlushVerdicts() {
  while (phase_ == SessionPhase::kLive && !outbox_.empty()) {
    const protocol::Verdict verdict = outbox_.Next();
    if (!Send(verdict)) return;
    outbox_.Sent(verdict.records.size());
  }
}

void AgentSession::TellLosses(const protocol::Losses& losses) {
  if (phase_ != SessionPhase::kLive) return;
  for (std::size_t at = 0; at < losses.losses.size(); at += protocol::kMaxLosses) {
    const auto first = losses.losses.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = std::min(protocol::kMaxLosses, losses.losses.size() - at);
    // A port that takes nothing loses these: they are in our own log, and verdicts go first.
    if (!Send(protocol::Losses{{first, first + static_cast<std::ptrdiff_t>(count)}})) return;
  }
}

// Once a session. A deferred page has its verdict and holds nothing up.
void AgentSession::CheckSynced() {
  if (phase_ != SessionPhase::kLive || synced_ || !wanted_) return;
  if (given_.digest() != wanted_->digest || given_.entries() != wanted_->entries) return;
  if (desk_.HasQueued() || !outbox_.empty()) return;
  if (!Send(protocol::Sync{dealt_with_.digest(), dealt_with_.entries()})) return;
  synced_ = true;
  (void)Send(CurrentStats());
  if (before_kernel_) (void)Send(*before_kernel_);
  edge_.OnSynced();
}

bool AgentSession::Send(const Message& message) {
  std::array<std::byte, protocol::kMaxFrameBytes> frame;
  const auto size = protocol::EncodeFrame(message, nonce_, sent_sequence_ + 1, frame);
  // Nothing that the agent says can be too long or malformed: its parts were decoded from the
  // host's frames or made here. Should it be, silence is worse for nobody but us.
  if (!size) return true;
  if (!edge_.SendFrame(std::span(frame).first(*size))) {
    send_due_ = clock_.Now() + limits_.send_retry;
    return false;
  }
  ++sent_sequence_;
  return true;
}

protocol::Stats AgentSession::CurrentStats() {
  return protocol::Stats{.retired_bytes = desk_.retired_bytes(),
                         .budget_bytes = desk_.budget_bytes(),
                         .hardware_corrupted_bytes = edge_.HardwareCorruptedBytes(),
                         .dropped_bytes = reader_.dropped_bytes(),
                         .rejected_frames = rejected_frames_};
}

std::optional<MonoTime> AgentSession::NextDeadline() const {
  std::optional<MonoTime> next = desk_.NextDue();
  if (greet_again_ && phase_ == SessionPhase::kLive) {
    const MonoTime due = *last_hello_ + limits_.hello_gap;
    if (!next || due < *next) next = due;
  }
  const bool unsent = phase_ == SessionPhase::kLive && send_due_;
  for (const auto& due : {hello_due_, unsent ? send_due_ : std::nullopt})
    if (due && (!next || *due < *next)) next = due;
  return next;
}

}  // namespace seaward::agent
