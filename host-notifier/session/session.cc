#include "host-notifier/session/session.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/mutants.h"
#include "protocol/codec.h"

namespace seaward::session {

using protocol::Message;
using protocol::Nonce;
using protocol::PoisonEntry;

namespace {

// A refused frame is offered again this much later when nobody says that the port is writable.
constexpr std::chrono::milliseconds kPortRetry{50};
// Reading goes on when at least one frame may be read.
constexpr std::uint64_t kWorthReading = protocol::kMaxFrameBytes;

bool Names(const protocol::Hello& hello, const protocol::PageSet& set) {
  return hello.digest == set.digest() && hello.entries == set.entries();
}

protocol::HelloAck AckOf(const Uuid& incarnation, std::chrono::milliseconds heartbeat) {
  constexpr std::chrono::milliseconds kLongest{std::numeric_limits<std::uint32_t>::max()};
  return {incarnation, std::clamp(heartbeat, std::chrono::milliseconds{0}, kLongest)};
}

}  // namespace

Session::Session(const SessionLimits& limits, const Clock& clock, SessionPort& port,
                 SessionListener& listener)
    : limits_(limits),
      clock_(clock),
      listener_(listener),
      read_budget_(limits.read_bytes_per_second, limits.read_burst_bytes, clock.Now()),
      hello_budget_(limits.hellos_per_second, limits.hello_burst, clock.Now()),
      loss_budget_(limits.losses_per_second, limits.loss_burst, clock.Now()),
      pages_(limits),
      outbox_(limits, port),
      calls_(limits.resend_initial, limits.resend_max),
      resends_(limits.resend_initial, limits.resend_max) {}

void Session::ChannelOpened() {
  reader_.Reset();
  Dispatch(Event::kChannelOpened);
}

void Session::ChannelClosed() {
  reader_.Reset();
  Dispatch(Event::kChannelClosed);
}

void Session::ChannelWritable() {
  Dispatch(Event::kChannelWritable);
}

void Session::Begin(const Wanted& wanted) {
  const protocol::PageSet before = pages_.set();
  if (wanted_known_ && wanted.incarnation != incarnation_) pages_.Clear();
  incarnation_ = wanted.incarnation;
  wanted_known_ = true;
  recalling_ = wanted.recall;
  if (boot_id_.IsNil()) boot_id_ = wanted.boot_id;
  for (const KnownEntry& known : wanted.entries) {
    const Adding added = pages_.Add(known.entry);
    const bool news = added == Adding::kNew || added == Adding::kChanged;
    if (news && known.answered && !boot_id_.IsNil() && wanted.boot_id == boot_id_)
      pages_.MarkAnswered(known.entry.id);
  }
  OweClear(before);
  guest_said_sync_ = synced_reported_ = false;
  Dispatch(Event::kWantedKnown);
}

Delivery Session::Deliver(const PoisonEntry& entry) {
  const Adding added = pages_.Add(entry);
  if (added == Adding::kRefused) return Delivery::kRefused;
  if (added == Adding::kKnown) return Delivery::kKnown;
  Dispatch(Event::kDelivered);
  if (Stands(phase_)) resends_.Start(clock_.Now());
  return pages_.WasSent(entry.id) ? Delivery::kSent : Delivery::kQueued;
}

void Session::Forget(std::span<const ByteRange> ranges) {
  const protocol::PageSet before = pages_.set();
  pages_.Forget(ranges);
  OweClear(before);
  Dispatch(Event::kForgotten);
  CheckAllAnswered();
}

void Session::Replay() {
  pages_.SendAllAgain();
  Dispatch(Event::kDelivered);
  if (Stands(phase_) && pages_.unanswered() > 0) resends_.Start(clock_.Now());
}

// What is no longer wanted must leave the guest's count, too.
void Session::OweClear(const protocol::PageSet& before) {
  if (!Stands(phase_)) return;  // the next session starts from the digest
  protocol::PageSet gone = before;
  for (const ByteRange& range : pages_.set().ranges()) gone.Erase(range);
  outbox_.OweClear(gone.ranges());
}

void Session::Tick() {
  const MonoTime now = clock_.Now();
  if (calls_.IsDue(now)) Dispatch(Event::kCallDue);
  if (resends_.IsDue(now)) Dispatch(Event::kResendDue);
  // A phase that has no use for a deadline must not leave it in the past.
  if (calls_.IsDue(now)) calls_.Stop();
  if (resends_.IsDue(now)) resends_.Stop();
  if (pages_.ResendDeferred(now)) Dispatch(Event::kChannelWritable);
  if (quiet_at_ && *quiet_at_ <= now) {
    quiet_at_.reset();
    Dispatch(Event::kQuiet);
  }
  if (verdicts_due_ && *verdicts_due_ <= now) {
    verdicts_due_.reset();
    overdue_ = true;
    listener_.OnVerdictsOverdue(pages_.unanswered());
  }
  if (port_retry_ && *port_retry_ <= now) {
    port_retry_.reset();
    Dispatch(Event::kChannelWritable);
  }
  if (reading_paused_) ReadAllowance();
}

std::optional<MonoTime> Session::NextDeadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&](std::optional<MonoTime> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  consider(calls_.due());
  consider(resends_.due());
  consider(quiet_at_);
  consider(port_retry_);
  consider(verdicts_due_);
  consider(pages_.NextDeferral());
  if (reading_paused_) consider(read_budget_.AvailableAt(kWorthReading));
  return next;
}

std::size_t Session::ReadAllowance() {
  const std::uint64_t available = read_budget_.Available(clock_.Now());
  const bool paused = available < std::min<std::uint64_t>(kWorthReading, limits_.read_burst_bytes);
  if (paused && !reading_paused_) faults_.Add(ProtocolFault::kFlood);
  reading_paused_ = paused;
  return reading_paused_ ? 0 : static_cast<std::size_t>(available);
}

void Session::Dispatch(Event event) {
  const Step step = Advance(phase_, event);
  phase_ = step.next;
  Perform(step.actions);
  WatchVerdicts();
  if (phase_ == reported_phase_) return;
  reported_phase_ = phase_;
  listener_.OnPhase(phase_);
}

// In the order of the Action enumerators.
void Session::Perform(const Actions& actions) {
  if (actions.Has(Action::kRefuse)) faults_.Add(ProtocolFault::kUnexpected);
  if (actions.Has(Action::kEnd)) EndSession();
  if (actions.Has(Action::kStart)) StartSession();
  if (actions.Has(Action::kCall)) Call();
  if (actions.Has(Action::kStopCalling)) StopCalling();
  if (actions.Has(Action::kChoose)) ChooseEntries();
  if (actions.Has(Action::kResend)) ResendUnanswered();
  if (actions.Has(Action::kOweWelcome)) {
    outbox_.OweWelcome(AckOf(incarnation_, limits_.heartbeat), common_);
    if (recalling_) outbox_.OweRecall();
    GuestHeard();
  }
  if (actions.Has(Action::kOweSync)) outbox_.OweSync();
  if (actions.Has(Action::kOwePing)) {
    outbox_.OwePing();
    quiet_at_ = clock_.Now() + limits_.heartbeat;
  }
  if (actions.Has(Action::kPump)) Pump();
  if (actions.Has(Action::kReportHello)) listener_.OnHello(greeting_.hello, new_boot_);
  if (actions.Has(Action::kReportSynced)) ReportSynced();
}

void Session::EndSession() {
  nonce_ = Nonce::kNone;
  guest_said_sync_ = synced_reported_ = false;
  common_.reset();
  pages_.EndSession();
  outbox_.End();
  calls_.Stop();
  resends_.Stop();
  unheard_calls_ = 0;
  quiet_at_.reset();
  port_retry_.reset();
}

void Session::StartSession() {
  nonce_ = greeting_.nonce;
  heard_sequence_ = greeting_.sequence;
  known_heard_ = 0;
  outbox_.Start(nonce_);
  new_boot_ = greeting_.hello.boot_id != boot_id_;
  if (new_boot_) pages_.NewBoot();
  boot_id_ = greeting_.hello.boot_id;
}

void Session::GuestHeard() {
  unheard_calls_ = 0;
  if (limits_.heartbeat.count() > 0) quiet_at_ = clock_.Now() + limits_.heartbeat;
}

void Session::Call() {
  quiet_at_.reset();
  if (unheard_calls_ >= limits_.max_calls) {
    calls_.Stop();
    return;
  }
  ++unheard_calls_;
  outbox_.OweCall();
  if (calls_.running())
    calls_.Lengthen(clock_.Now());
  else
    calls_.Start(clock_.Now());
}

void Session::StopCalling() {
  calls_.Stop();
  outbox_.DropCall();
}

// Nothing travels that the guest is known to have and to have answered.
void Session::ChooseEntries() {
  if (Lives(Mutant::kForgetReplay)) return;
  const protocol::Hello& hello = greeting_.hello;
  if (Names(hello, pages_.set())) return;
  // An early stage may leave as soon as it agrees with us, and would agree with its own set.
  if (hello.stage == protocol::Stage::kEarly || !Names(hello, pages_.Answered()))
    return pages_.SendAllAgain();
  common_ = protocol::Sync{hello.digest, hello.entries};
  pages_.SendUnsettledAgain();
}

// Verdicts are owed while somebody may be there to give them.
void Session::WatchVerdicts() {
  if (phase_ == Phase::kNoChannel || pages_.unanswered() == 0) {
    verdicts_due_.reset();
    overdue_ = false;
  } else if (!verdicts_due_ && !overdue_ && limits_.verdict_deadline.count() > 0) {
    verdicts_due_ = clock_.Now() + limits_.verdict_deadline;
  }
}

void Session::ResendUnanswered() {
  if (Lives(Mutant::kDropResend)) return;
  pages_.Resend();
  resends_.Lengthen(clock_.Now());
  // No room for a copy: a ping is enough to learn whether the guest reads.
  if (!outbox_.HasRoom() && unheard_calls_ < limits_.max_calls) {
    ++unheard_calls_;
    outbox_.OwePing();
  }
}

void Session::Pump() {
  std::vector<PoisonEntry> sent;
  const bool taken = outbox_.Pump(Stands(phase_), pages_, sent);
  const MonoTime now = clock_.Now();
  if (taken)
    port_retry_.reset();
  else
    port_retry_ = now + kPortRetry;
  const bool waiting = Stands(phase_) && pages_.unanswered() > 0;
  if (!waiting)
    resends_.Stop();
  else if (!resends_.running())
    resends_.Start(now);
  for (const PoisonEntry& entry : sent) listener_.OnSent(entry, boot_id_);
}

void Session::ReportSynced() {
  if (std::exchange(synced_reported_, true)) return;
  listener_.OnSynced(boot_id_, greeting_.hello.stage);
}

void Session::CheckAllAnswered() {
  if (!Stands(phase_) || !guest_said_sync_ || pages_.unanswered() > 0) return;
  Dispatch(Event::kAllAnswered);
}

}  // namespace seaward::session
