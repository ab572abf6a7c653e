// One VM at run time: which process holds its memory (the incarnation), its channel, its session,
// its attached rings. Everything durable is in the ledger.
//
// Thread: the loop's. Held by shared_ptr: answers of the ledger may come after its owner let go.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host-notifier/app/attached_ring.h"
#include "host-notifier/app/event_intake.h"
#include "host-notifier/app/held_vcpus.h"
#include "host-notifier/app/limited_sink.h"
#include "host-notifier/app/migration_watch.h"
#include "host-notifier/app/place_asker.h"
#include "host-notifier/app/vm_alarms.h"
#include "host-notifier/app/vm_context.h"
#include "host-notifier/app/vm_healer.h"
#include "host-notifier/channel/channel_link.h"
#include "host-notifier/session/session.h"

namespace seaward {

// Who holds the VM's memory, according to somebody other than the VMM. nullopt: nobody knows.
using FindProcess = std::function<std::optional<ProcessIdentity>()>;

class Vm final : public std::enable_shared_from_this<Vm>,
                 private ChannelListener,
                 private session::SessionPort,
                 private session::SessionListener,
                 private RingUser {
 public:
  // `find_process` may be empty (a static VM): then the kernel's word on who listens on the
  // channel's socket counts, and without a channel the attached VMM.
  Vm(const VmContext& context, ledger::VmIdentity identity, std::unique_ptr<ChannelOpener> opener,
     FindProcess find_process);
  ~Vm() override;

  // The VM runs (again); its channel is there.
  void Seen(std::optional<std::string> channel_socket, bool has_ghes);
  // An admitted VMM; it is told how that went. kBusy: another living process is attached for this
  // VM already.
  Status Attach(ring::Attachment attachment);
  // The guest restarted in the same process.
  void Rebooted();
  // The guest goes on. It may be an earlier one, which never heard of pages that it retired since:
  // a snapshot that QEMU's own monitor loaded looks like this, and like nothing else.
  void Resumed();
  // The VM's memory is gone, or about to be.
  void Ended(std::string_view why);
  // The process found now is another one than before, or none.
  bool StillRuns() const;

  void Report(const PoisonEvent& event, EventIntake::Recorded recorded);
  // Which guest physical address lies at that address of the VMM, by the VMM's own word; nullopt:
  // none is attached, or it does not tell.
  void AskPlace(HostVirtAddr host, PlaceAsker::Done done) { places_.Ask(host, std::move(done)); }
  // For operators (vm_upkeep.cc). kBusy when the VM does not run.
  void Clear(const ByteRange& range, const ledger::AuditRow& entry,
             std::function<void(Result<std::vector<ledger::PageRow>>)> done);
  // Sends every wanted page again; false: no session stands, they go with the next one.
  bool Replay();
  // Rows of this VM came into the ledger from outside: what is wanted is read anew.
  void Reload();
  // Exits stay in their rings, and nothing new is taken, until ResumeIntake.
  void PauseIntake();
  void ResumeIntake();
  // Pages whose verdict this guest owes; whether it is there to send it.
  std::size_t unanswered_pages() const { return session_.unanswered_entries(); }
  bool session_stands() const { return session_open_ && session::Stands(session_.phase()); }
  // From the ledger as it is now. Safe when the VM does not run: nothing of it can be read.
  void JudgeMigration(std::function<void(Result<observe::MigrationState>)> done);
  // Operators see live state through it.
  const ledger::VmIdentity& identity() const { return identity_; }
  const session::Session& session() const { return session_; }
  const EventIntake::Counts& event_counts() const { return intake_->counts(); }
  // Of the configuration; libvirt does not know it.
  bool is_static() const { return !find_process_; }
  bool running() const { return process_.has_value(); }
  bool attached() const { return !rings_.empty(); }
  // libvirt may bring it back under the same UUID; until then nothing is left to do for it.
  bool forgettable() const {
    return gone_ && rings_.empty() && intake_->counts().not_yet_recorded == 0;
  }
  bool channel_open() const { return link_.open(); }
  bool has_ghes() const { return has_ghes_; }
  std::uint64_t reboots() const { return reboots_; }
  const std::string& channel_error() const { return link_.last_error(); }
  const std::optional<Uuid>& incarnation() const { return incarnation_; }
  const std::optional<ProcessIdentity>& process() const { return process_; }
  const std::optional<protocol::Stats>& guest_stats() const { return guest_stats_; }
  // Processes that lost a page, on record since the VM is known.
  std::uint64_t page_losses() const { return page_losses_; }
  ring::RingCounters ring_counters() const;
  const observe::MigrationState& migration() const { return migration_->state(); }
  const VmHealer& healer() const { return *healer_; }
  std::vector<observe::ActiveAlarm> alarms() const { return alarms_.active(); }

 private:
  // ChannelListener
  void ChannelOpened() override;
  void ChannelBytes(std::span<const std::byte> bytes) override;
  void ChannelClosed(const Error& why) override;
  // session::SessionPort
  bool Send(std::span<const std::byte> frame) override { return link_.Send(frame); }
  // session::SessionListener
  void OnHello(const protocol::Hello& hello, bool new_boot) override;
  void OnSent(const protocol::PoisonEntry& entry, const Uuid& boot_id) override;
  void OnVerdict(const protocol::VerdictRecord& record, const Uuid& boot_id) override;
  void OnKnown(const protocol::Known& known, const Uuid& boot_id) override;
  void OnSynced(const Uuid& boot_id, protocol::Stage stage) override;
  void OnVerdictsOverdue(std::size_t entries) override;
  void OnStats(const protocol::Stats& stats) override;
  void OnLosses(const protocol::Losses& losses) override;
  void OnBeforeKernel(const protocol::BeforeKernel& before) override;
  void OnPhase(session::Phase phase) override;
  void OnProtocolFault(session::ProtocolFault fault, std::uint64_t count) override;
  // RingUser
  void RingEventTaken(AttachedRing& from, const ring::RingEvent& event) override;
  void RingLost(AttachedRing& from, std::uint64_t lost) override;
  bool HealAnswered(AttachedRing& from, const vmm::HealAnswer& answer) override;
  bool PlaceAnswered(AttachedRing& from, const vmm::PlaceAnswer& answer) override;
  void RingEnded(AttachedRing& from) override;

  struct Known {
    Uuid incarnation;
    session::Wanted wanted;
  };
  static Result<Known> LoadIncarnation(ledger::Ledger& ledger, const ledger::VmIdentity& vm,
                                       const ProcessIdentity& process, ledger::Backing backing);
  ledger::Backing Backing() const;

  std::optional<ProcessIdentity> CurrentProcess() const;
  // Makes sure that the incarnation is the one of the process found now.
  void FollowProcess();
  void BeginIncarnation(const ProcessIdentity& process);
  void EndIncarnation(std::string_view why);
  void IncarnationKnown(const ProcessIdentity& process, const Result<Known>& known);
  void ResumeRings();
  void OfferToRings();
  AttachedRing* RingNumber(std::uint64_t number);
  void ExitRecorded(std::uint64_t ring, const ring::RingEvent& exit,
                    const Result<ledger::RecordedEvent>& recorded);
  // A vCPU waits for the guest's verdict on a page.
  void PageDelivered(const HeldVcpus::Vcpu& vcpu, const ByteRange& range, std::uint64_t page_id);
  void AnswerHeldVcpu(const HeldVcpus::Vcpu& vcpu, vmm::HeldFor answer);
  void AnswerHeldExit(std::uint64_t ring, ring::RingToken token,
                      const Result<ledger::RecordedEvent>& recorded);
  VmHealer::Edges HealEdges();
  AttachedRing* HealingRing();
  void HealEnded(const ledger::PageRow& page);
  void Cleared(const std::vector<ledger::PageRow>& pages);
  void ExpectAttach();
  MigrationFacts LiveMigrationFacts() const;
  void MigrationChanged(const observe::MigrationState& state);
  void OpenSession();
  void AfterSession();
  void RecordDelivered();
  void ClaimsRecorded(const Uuid& incarnation, const Result<ledger::RecordedClaims>& recorded);
  void WordNotRecorded(std::string_view event, const Error& why);
  // What the guest said and the disk has, or never will.
  void GuestsWordTaken();
  // One word of the guest's on its way to the ledger; `done` hears what became of it.
  template <class T>
  void RecordWord(std::function<Result<T>(ledger::Ledger&)> work,
                  std::function<void(Vm&, const Result<T>&)> done);
  void VerdictRecorded(const protocol::VerdictRecord& record,
                       const Result<ledger::RecordedVerdict>& recorded);

  const VmContext& context_;
  const ledger::VmIdentity identity_;
  LimitedSink sink_;
  const Logger log_;
  const std::unique_ptr<ChannelOpener> opener_;
  const FindProcess find_process_;
  ChannelLink link_;
  session::Session session_;
  LoopTimer session_timer_;
  LoopTimer attach_timer_;
  std::shared_ptr<EventIntake> intake_;
  VmAlarms alarms_;
  std::shared_ptr<MigrationWatch> migration_;
  std::shared_ptr<VmHealer> healer_;
  PlaceAsker places_;
  std::vector<std::unique_ptr<AttachedRing>> rings_;
  HeldVcpus held_;

  std::optional<ProcessIdentity> process_;  // whose incarnation this is, or is about to be
  std::optional<Uuid> incarnation_;         // known to the ledger
  std::unique_ptr<FdWatch> process_watch_;
  std::uint64_t rings_made_ = 0;
  std::vector<std::uint64_t> delivered_;  // sent, and not yet on their way to the ledger
  std::size_t words_waiting_ = 0;         // of the guest, on their way to the ledger
  bool session_open_ = false;
  bool paused_ = false;  // PauseIntake
  bool gone_ = false;    // a domain that ended and was not seen since
  bool has_ghes_ = false;
  std::uint64_t reboots_ = 0;
  std::optional<protocol::Stats> guest_stats_;
  std::uint64_t page_losses_ = 0;
};

}  // namespace seaward
