#include "host-notifier/app/vm.h"

#include <algorithm>

#include "base/mutants.h"
#include "host-notifier/loop/process_watch.h"

namespace seaward {
namespace {

// A VMM has one ring; a re-attach may meet the old connection's end. More is abuse.
constexpr std::size_t kMaxRings = 4;

session::SessionLimits LimitsOf(const config::SessionConfig& config) {
  session::SessionLimits limits;
  limits.resend_initial = config.resend_initial;
  limits.resend_max = config.resend_max;
  limits.heartbeat = config.heartbeat;
  limits.verdict_deadline = config.verdict_deadline;
  limits.outstanding_bytes = config.outstanding_bytes;
  return limits;
}

// What may be followed by another verdict is asked again: it may have been while nobody listened.
bool IsAnswered(const ledger::PageRow& page) {
  if (page.outcome == protocol::Outcome::kInKernel) return false;
  return page.life == ledger::PageLife::kRetired || page.life == ledger::PageLife::kExcluded ||
         page.life == ledger::PageLife::kFailed;
}

}  // namespace

Vm::Vm(const VmContext& context, ledger::VmIdentity identity, std::unique_ptr<ChannelOpener> opener,
       FindProcess find_process)
    : context_(context),
      identity_(std::move(identity)),
      sink_(context.log.sink(), context.clock, identity_.name),
      log_(sink_, context.log.threshold()),
      opener_(std::move(opener)),
      find_process_(std::move(find_process)),
      link_(context.loop, *opener_, *this, ChannelBackoff{}),
      session_(LimitsOf(context.config.session), context.clock, *this, *this),
      session_timer_(context.loop),
      attach_timer_(context.loop),
      intake_(std::make_shared<EventIntake>(context, identity_, log_, session_)),
      alarms_(context, identity_, log_),
      migration_(std::make_shared<MigrationWatch>(
          MigrationWatch::Parts{context.loop, context.ledger, log_,
                                find_process_ ? &context.marker : nullptr},
          identity_, [this] { return LiveMigrationFacts(); },
          [this](const observe::MigrationState& state) { MigrationChanged(state); })),
      healer_(std::make_shared<VmHealer>(context, log_, HealEdges())),
      places_(context.loop, context.clock, [this](const vmm::PlaceQuestion& question) {
        const AttachedRing* ring = HealingRing();
        return ring != nullptr && ring->SendPlaceQuestion(question);
      }) {}

Vm::~Vm() = default;

void Vm::Seen(std::optional<std::string> channel_socket, bool has_ghes) {
  gone_ = false;
  has_ghes_ = has_ghes;
  OfferToRings();
  link_.Connect(std::move(channel_socket));
  FollowProcess();
  migration_->RetryMark();
}

Status Vm::Attach(ring::Attachment attachment) {
  for (const auto& other : rings_) {
    if (other->ended() || other->process() == attachment.process) continue;
    attachment.Refuse(vmm::AttachReply::kNotAllowed);
    return Fail(ErrorCode::kBusy, identity_.name + " is attached by pid " +
                                      std::to_string(other->process().pid) + " already");
  }
  if (rings_.size() >= kMaxRings) {
    attachment.Refuse(vmm::AttachReply::kOverloaded);
    return Fail(ErrorCode::kLimit, identity_.name + ": too many rings");
  }
  auto ring = AttachedRing::Make(context_.loop, std::move(attachment), ++rings_made_, *this);
  if (!ring) return Forward(ring);
  rings_.push_back(std::move(*ring));
  OfferToRings();
  attach_timer_.Cancel();
  if (incarnation_) alarms_.Lower(ledger::AlarmKind::kUnattached);
  FollowProcess();
  ResumeRings();
  healer_->Stop();  // orders are worth as much as the connection that they went over
  if (incarnation_) healer_->CatchUp(*incarnation_);
  return {};
}

std::optional<ProcessIdentity> Vm::CurrentProcess() const {
  if (find_process_) {
    if (auto process = find_process_()) return process;
  }
  if (const auto peer = link_.PeerPid()) {
    if (auto process = IdentifyProcess(*peer, "/proc")) return *process;
  }
  for (const auto& ring : rings_)
    if (!ring->ended()) return ring->process();
  return std::nullopt;
}

bool Vm::StillRuns() const {
  const auto now = CurrentProcess();
  return now && process_ && *now == *process_;
}

void Vm::FollowProcess() {
  const auto now = CurrentProcess();
  if (!now || process_ == now) return;
  BeginIncarnation(*now);
}

void Vm::BeginIncarnation(const ProcessIdentity& process) {
  EndIncarnation("replaced");
  auto watch = WatchProcess(context_.loop, process, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Ended("process_exited");
  });
  if (!watch) return;  // gone already: the next sighting finds its successor
  process_watch_ = std::move(*watch);
  process_ = process;
  context_.ledger.WriteTogether<Known>(
      [identity = identity_, process, backing = Backing()](ledger::Ledger& l) {
        return LoadIncarnation(l, identity, process, backing);
      },
      [weak = weak_from_this(), process](const Result<Known>& known) {
        if (const auto self = weak.lock()) self->IncarnationKnown(process, known);
      });
}

ledger::Backing Vm::Backing() const {
  if (Lives(Mutant::kIgnoreIncarnation)) return ledger::Backing::kFixed;
  return context_.config.HasFixedBacking(identity_.name) ? ledger::Backing::kFixed
                                                         : ledger::Backing::kFresh;
}

Result<Vm::Known> Vm::LoadIncarnation(ledger::Ledger& ledger, const ledger::VmIdentity& vm,
                                      const ProcessIdentity& process, ledger::Backing backing) {
  auto opened = ledger.BeginIncarnation(vm, process, backing);
  if (!opened) return Forward(opened);
  ledger::LedgerView view = ledger.View();
  auto row = view.Incarnation(opened->id);
  if (!row) return Forward(row);
  auto pages = view.Pages({.vm = vm.uuid});
  if (!pages) return Forward(pages);
  Known known{opened->id, {}};
  known.wanted.incarnation = opened->id;
  if (*row && (*row)->boot) known.wanted.boot_id = *(*row)->boot;
  known.wanted.recall = *row && (*row)->recall_due;
  for (const ledger::PageRow& page : *pages)
    if (page.incarnation == opened->id && ledger::IsWanted(page.life))
      known.wanted.entries.push_back({page.Entry(), IsAnswered(page)});
  return known;
}

void Vm::IncarnationKnown(const ProcessIdentity& process, const Result<Known>& known) {
  if (process_ != process) return;  // it ended, or was replaced, meanwhile
  if (!known) {
    log_.Error("incarnation_unknown", {{"vm", identity_.name}, {"why", known.error().Text()}});
    return;
  }
  incarnation_ = known->incarnation;
  std::vector<protocol::PoisonEntry> entries;
  for (const auto& entry : known->wanted.entries) entries.push_back(entry.entry);
  intake_->book().Load(entries);
  intake_->UseIncarnation(known->incarnation);
  log_.Info("vm_running", {{"vm", identity_.name},
                           {"pid", std::to_string(process.pid)},
                           {"incarnation", FormatUuid(known->incarnation)},
                           {"pages", std::to_string(entries.size())},
                           {"ghes", has_ghes_ ? "yes" : "no"}});
  if (known->wanted.recall)
    log_.Warning("record_lost", {{"vm", identity_.name},
                                 {"why", "the ledger was corrupt"},
                                 {"effect", "the guest is asked which of its pages are bad"}});
  session_.Begin(known->wanted);
  OpenSession();
  ResumeRings();
  migration_->Begin(*incarnation_);
  healer_->CatchUp(*incarnation_);
  context_.observer.MemoryKnown(identity_);
  if (rings_.empty()) return ExpectAttach();
  alarms_.Lower(ledger::AlarmKind::kUnattached);
}

// A VM that nobody publishes for looks protected and is not.
void Vm::ExpectAttach() {
  attach_timer_.Start(context_.config.attach_grace, [this] {
    if (incarnation_ && rings_.empty())
      alarms_.Raise(ledger::AlarmKind::kUnattached,
                    "no VMM is attached: its memory errors are not seen");
  });
}

void Vm::Rebooted() {
  ++reboots_;
  log_.Info("guest_rebooted", {{"vm", identity_.name}});
  // Before the guest asks: what has other memory by now is not replayed.
  if (incarnation_) healer_->CatchUp(*incarnation_);
}

void Vm::Resumed() {
  if (!incarnation_) return;
  healer_->CatchUp(*incarnation_);
  Replay();
}

void Vm::Ended(std::string_view why) {
  EndIncarnation(why);
  // A domain that starts again is seen again; a static VM is only found by trying its socket.
  if (!find_process_) return;
  gone_ = true;
  link_.Close();
}

void Vm::EndIncarnation(std::string_view why) {
  if (!process_) return;
  log_.Info(
      "vm_ended",
      {{"vm", identity_.name}, {"pid", std::to_string(process_->pid)}, {"why", std::string(why)}});
  process_.reset();
  process_watch_.reset();
  if (session_open_) session_.ChannelClosed();
  session_open_ = false;
  AfterSession();
  attach_timer_.Cancel();
  migration_->Stop();
  healer_->Stop();
  places_.Stop();
  if (!incarnation_) return;
  // Before anything is written: writing takes memory, and may be given the very frames.
  context_.retirer.VmEnded(*incarnation_, has_ghes_);
  for (const ledger::AlarmKind kind : ledger::kAllAlarmKinds) alarms_.Lower(kind);
  context_.ledger.Write<void>(
      [incarnation = *incarnation_](ledger::Ledger& l) { return l.EndIncarnation(incarnation); },
      [](const Status&) {});  // found again, and ended, at the next start
  incarnation_.reset();
}

void Vm::Report(const PoisonEvent& event, EventIntake::Recorded recorded) {
  if (!incarnation_)
    return recorded(Fail(ErrorCode::kBusy, identity_.name + " does not run, or is not known yet"));
  if (paused_) return recorded(Fail(ErrorCode::kBusy, "the notifier is being drained"));
  intake_->Take(event, std::nullopt,
                [weak = weak_from_this(), recorded = std::move(recorded)](
                    const Result<ledger::RecordedEvent>& event_recorded) {
                  if (const auto self = weak.lock()) self->migration_->Recheck();
                  recorded(event_recorded);
                });
  AfterSession();
}

void Vm::JudgeMigration(std::function<void(Result<observe::MigrationState>)> done) {
  if (process_ && !incarnation_) return done(MigrationNotKnownYet());
  migration_->Judge(std::move(done));
}

MigrationFacts Vm::LiveMigrationFacts() const {
  return {.unhealed = {},
          .not_yet_recorded = intake_->counts().not_yet_recorded,
          .lost = ring_counters().lost};
}

void Vm::MigrationChanged(const observe::MigrationState& state) {
  if (state.safe) return alarms_.Lower(ledger::AlarmKind::kUnsafeToMigrate);
  alarms_.Raise(ledger::AlarmKind::kUnsafeToMigrate, state.reason);
}

}  // namespace seaward
