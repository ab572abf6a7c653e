// The VM's channel and session: what the guest says and what becomes of it.
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/mutants.h"

#include "host-notifier/app/vm.h"

namespace seaward {
namespace {

// Verdicts, claims and other news of one guest that wait for the disk: twice what one chunk of its
// bytes can hold. Beyond that it is not read, so that its words do not crowd out what others have
// to say.
constexpr std::size_t kMaxWordsWaiting = 1024;

}  // namespace

void Vm::ChannelOpened() {
  if (Lives(Mutant::kLeakDescriptor)) {
    [[maybe_unused]] const int leaked = ::dup(STDERR_FILENO);
  }
  log_.Info("channel_open", {{"vm", identity_.name}});
  link_.SetReading(false);  // until the session may listen
  FollowProcess();
  OpenSession();
}

void Vm::OpenSession() {
  if (session_open_ || !link_.open() || !incarnation_) return;
  session_open_ = true;
  session_.ChannelOpened();
  AfterSession();
}

void Vm::ChannelBytes(std::span<const std::byte> bytes) {
  if (!session_open_) return;  // of a session that ended with its incarnation
  session_.BytesReceived(bytes);
  AfterSession();
}

void Vm::ChannelClosed(const Error& why) {
  log_.Info("channel_closed", {{"vm", identity_.name}, {"why", why.Text()}});
  if (!session_open_) return;
  session_open_ = false;
  session_.ChannelClosed();
  AfterSession();
}

// After every call into the session: when it wants to be called next, and whether it can take more.
void Vm::AfterSession() {
  const bool room = words_waiting_ < kMaxWordsWaiting;
  if (session_open_) link_.SetReading(session_.ReadAllowance() > 0 && room);
  const auto deadline = session_.NextDeadline();
  if (!deadline) return session_timer_.Cancel();
  const auto wait = std::max(*deadline - context_.clock.Now(), std::chrono::nanoseconds(0));
  session_timer_.Start(wait, [this] {
    session_.Tick();
    AfterSession();
  });
}

void Vm::OnHello(const protocol::Hello& hello, bool new_boot) {
  log_.Info("hello", {{"vm", identity_.name},
                      {"boot", FormatUuid(hello.boot_id)},
                      {"stage", std::string(protocol::ToString(hello.stage))},
                      {"new_boot", new_boot ? "yes" : "no"},
                      {"agent", hello.agent_version}});
  if (!incarnation_) return;
  if (new_boot) intake_->book().StartNewBoot();
  context_.ledger.WriteTogether<bool>(
      [incarnation = *incarnation_, boot = hello.boot_id](ledger::Ledger& l) {
        return l.BeginBoot(incarnation, boot);
      },
      [weak = weak_from_this()](const Result<bool>& begun) {
        const auto self = weak.lock();
        if (self != nullptr && !begun)
          self->log_.Error("boot_not_recorded",
                           {{"vm", self->identity_.name}, {"why", begun.error().Text()}});
      });
  if (new_boot) healer_->CatchUp(*incarnation_);
}

// Behind the write of the event that caused it, and in one write for a whole replay.
void Vm::OnSent(const protocol::PoisonEntry& entry, const Uuid&) {
  delivered_.push_back(entry.id);
  if (delivered_.size() > 1) return;
  boost::asio::post(context_.loop, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->RecordDelivered();
  });
}

void Vm::RecordDelivered() {
  context_.ledger.WriteTogether<void>(
      [ids = std::exchange(delivered_, {})](ledger::Ledger& l) { return l.RecordDelivered(ids); },
      [](const Status&) {});  // an id without a row: its event's own error was logged
}

template <class T>
void Vm::RecordWord(std::function<Result<T>(ledger::Ledger&)> work,
                    std::function<void(Vm&, const Result<T>&)> done) {
  ++words_waiting_;
  context_.ledger.WriteTogether<T>(
      std::move(work),
      [weak = weak_from_this(), done = std::move(done)](const Result<T>& recorded) {
        const auto self = weak.lock();
        if (self == nullptr) return;
        done(*self, recorded);
        self->GuestsWordTaken();
      });
}

void Vm::GuestsWordTaken() {
  if (words_waiting_-- == kMaxWordsWaiting) AfterSession();
}

void Vm::OnVerdict(const protocol::VerdictRecord& record, const Uuid& boot_id) {
  // Not behind the disk: what the guest has done is done.
  const bool final_word = record.outcome != protocol::Outcome::kDeferred;
  for (const HeldVcpus::Vcpu& vcpu : held_.WaitingFor(record.range))
    AnswerHeldVcpu(vcpu, final_word ? vmm::HeldFor::kVerdict : vmm::HeldFor::kNone);
  if (!incarnation_) return;
  RecordWord<ledger::RecordedVerdict>(
      [incarnation = *incarnation_, boot_id, record, received = context_.clock.Now()](
          ledger::Ledger& l) { return l.RecordVerdict(incarnation, boot_id, record, received); },
      [record](Vm& vm, const Result<ledger::RecordedVerdict>& recorded) {
        vm.VerdictRecorded(record, recorded);
      });
}

void Vm::OnKnown(const protocol::Known& known, const Uuid& boot_id) {
  if (!incarnation_) return;
  RecordWord<ledger::RecordedClaims>(
      [incarnation = *incarnation_, boot_id, known](ledger::Ledger& l) {
        return l.RecordClaims(incarnation, boot_id, known);
      },
      [incarnation = *incarnation_](Vm& vm, const Result<ledger::RecordedClaims>& recorded) {
        vm.ClaimsRecorded(incarnation, recorded);
      });
}

void Vm::ClaimsRecorded(const Uuid& incarnation, const Result<ledger::RecordedClaims>& recorded) {
  if (!recorded) return WordNotRecorded("claims_not_recorded", recorded.error());
  for (const ledger::PageRow& page : recorded->pages) {
    context_.observer.PageChanged(page);
    if (incarnation != incarnation_) continue;
    intake_->book().Note(page.range, page.evidence, page.id);
    session_.Deliver(page.Entry());
  }
  if (recorded->refused > 0)
    log_.Warning("too_many_claims",
                 {{"vm", identity_.name}, {"refused", std::to_string(recorded->refused)}});
  if (recorded->all)
    log_.Warning("record_rebuilt", {{"vm", identity_.name},
                                    {"pages", std::to_string(*recorded->all)},
                                    {"source", "the guest's word"}});
  if (incarnation == incarnation_) migration_->Recheck();
  AfterSession();
}

void Vm::VerdictRecorded(const protocol::VerdictRecord& record,
                         const Result<ledger::RecordedVerdict>& recorded) {
  if (!recorded) {
    log_.Warning("verdict_not_recorded", {{"vm", identity_.name},
                                          {"gpa", FormatAddress(record.range.start().value)},
                                          {"why", recorded.error().Text()}});
    return;
  }
  const ledger::PageRow* const page = &recorded->page;
  if (recorded->exposure_ended) context_.measurements.exposure.Observe(*page->exposure);
  const auto exposure = page->exposure ? std::to_string(page->exposure->count() / 1000) : "none";
  log_.Info("verdict", {{"vm", identity_.name},
                        {"gpa", FormatAddress(record.range.start().value)},
                        {"outcome", std::string(protocol::ToString(record.outcome))},
                        {"kind", std::string(protocol::ToString(record.kind))},
                        {"stage", std::string(protocol::ToString(record.stage))},
                        {"errno", std::to_string(record.sys_errno)},
                        {"exposure_us", exposure}});
  context_.observer.PageChanged(*page);
  if (!healer_->TakesOver(*page)) context_.retirer.VerdictRecorded(*page, has_ghes_);
}

void Vm::OnSynced(const Uuid& boot_id, protocol::Stage stage) {
  log_.Info("synced", {{"vm", identity_.name},
                       {"boot", FormatUuid(boot_id)},
                       {"stage", std::string(protocol::ToString(stage))},
                       {"pages", std::to_string(session_.wanted_entries())}});
}

void Vm::OnVerdictsOverdue(std::size_t entries) {
  log_.Warning("verdicts_overdue", {{"vm", identity_.name},
                                    {"pages", std::to_string(entries)},
                                    {"phase", std::string(session::ToString(session_.phase()))},
                                    {"effect", "the guest may still use them"}});
}

void Vm::OnStats(const protocol::Stats& stats) {
  guest_stats_ = stats;
}

void Vm::OnLosses(const protocol::Losses& losses) {
  for (const protocol::Loss& loss : losses.losses)
    log_.Warning("page_lost", {{"vm", identity_.name},
                               {"gpa", FormatAddress(loss.range.start().value)},
                               {"lost_bytes", std::to_string(loss.lost_bytes)},
                               {"pid", std::to_string(loss.pid)},
                               {"comm", loss.comm},
                               {"cgroup", loss.cgroup}});
  if (!incarnation_) return;
  RecordWord<std::uint64_t>(
      [incarnation = *incarnation_, boot = session_.boot_id(), losses](ledger::Ledger& l) {
        return l.RecordLosses(incarnation, boot, losses);
      },
      [](Vm& vm, const Result<std::uint64_t>& recorded) {
        if (!recorded) return vm.WordNotRecorded("losses_not_recorded", recorded.error());
        vm.page_losses_ += *recorded;
      });
}

void Vm::WordNotRecorded(std::string_view event, const Error& why) {
  log_.Warning(event, {{"vm", identity_.name}, {"why", why.Text()}});
}

// A list that was left alone is the operator's to look at: the guest is protected later than it
// could be.
void Vm::OnBeforeKernel(const protocol::BeforeKernel& before) {
  const bool applied = before.result == protocol::ListResult::kApplied;
  const auto say = [&](auto method) {
    (log_.*method)("guest_before_kernel",
                   {{"vm", identity_.name},
                    {"result", std::string(protocol::ToString(before.result))},
                    {"boots", std::to_string(before.boots)},
                    {"listed_pages", std::to_string(before.listed_pages)},
                    {"protected_pages", std::to_string(before.protected_pages)}});
  };
  applied ? say(&Logger::Info) : say(&Logger::Warning);
  if (!incarnation_) return;
  RecordWord<void>(
      [incarnation = *incarnation_, boot = session_.boot_id(), before](ledger::Ledger& l) {
        return l.RecordBeforeKernel(incarnation, boot, before);
      },
      [](Vm& vm, const Status& recorded) {
        if (!recorded) vm.WordNotRecorded("boot_list_not_recorded", recorded.error());
      });
}

void Vm::OnPhase(session::Phase phase) {
  log_.Debug("session_phase",
             {{"vm", identity_.name}, {"phase", std::string(session::ToString(phase))}});
}

void Vm::OnProtocolFault(session::ProtocolFault fault, std::uint64_t count) {
  log_.Warning("protocol_fault", {{"vm", identity_.name},
                                  {"fault", std::string(session::ToString(fault))},
                                  {"count", std::to_string(count)}});
}

}  // namespace seaward
