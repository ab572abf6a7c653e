// The daemon without its process: owns every VM and wires rings, sessions, ledger, libvirt and the
// control socket on one event loop.
//
// Thread: the loop's. Libvirt and the ledger have one thread each behind their doors.
#pragma once

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "host-notifier/app/attach_gate.h"
#include "host-notifier/app/drain.h"
#include "host-notifier/app/frame_desk.h"
#include "host-notifier/app/ledger_keeper.h"
#include "host-notifier/app/limited_sink.h"
#include "host-notifier/app/notifier_hands.h"
#include "host-notifier/app/policy_desk.h"
#include "host-notifier/app/vm.h"
#include "host-notifier/hosttrace/host_trace.h"
#include "host-notifier/libvirt/libvirt_source.h"
#include "host-notifier/libvirt/status_directory.h"
#include "host-notifier/metrics/metrics_server.h"
#include "host-notifier/observe/control_server.h"

namespace seaward {

class MetricsDesk;

// What went wrong or was passed over since the start; each is also logged when it happens.
struct NotifierCounters {
  std::uint64_t attaches = 0;
  std::uint64_t attaches_refused = 0;  // a VMM claimed what is not its own, or spoke nonsense
  std::uint64_t attaches_early = 0;    // told to come back: its VM is not known (yet)
  std::uint64_t libvirt_losses = 0;    // connections to libvirtd that broke
};

class Notifier final : private DomainListener, private RecordObserver, private DomainMarker {
 public:
  // The references outlive it.
  Notifier(boost::asio::io_context& loop, config::NotifierConfig config, const Clock& clock,
           const Logger& log, HostMemory& memory, std::unique_ptr<ledger::Ledger> ledger);
  ~Notifier() override;

  // Opens the sockets, starts libvirt, connects the static VMs.
  Status Start();
  // Writes what can be written, closes everything. False: libvirt is stuck, and the process should
  // end without further ado.
  bool Stop();

  using Vms = std::map<Uuid, std::shared_ptr<Vm>>;
  const Vms& vms() const { return vms_; }
  // By name or UUID; nullptr when it is not known now.
  std::shared_ptr<Vm> FindVm(const std::string& name_or_uuid) const;

  const NotifierCounters& counters() const { return counters_; }
  std::size_t ignored_domains() const { return ignored_.size(); }
  bool libvirt_reachable() const { return libvirt_reachable_; }
  const std::string& libvirt_error() const { return libvirt_error_; }
  const std::optional<Error>& ledger_failing() const { return ledger_failing_; }
  LedgerThread& ledger() { return ledger_; }
  Drain& drain() { return drain_; }
  bool draining() const { return drain_.resting(); }
  // Rows came into the ledger from outside: what is live follows them.
  void LedgerImported();
  HostRetirer& retirer() { return retirer_; }
  // From Start to Stop.
  FrameDesk& frames() { return *frames_; }
  const FrameDesk& frames() const { return *frames_; }
  bool host_trace_open() const { return host_trace_ != nullptr; }
  const std::string& host_trace_error() const { return host_trace_error_; }
  // Both are there from Start to Stop.
  PolicyDesk& policy() { return *policy_; }
  const ActionDesk& actions() const { return *actions_; }
  boost::asio::io_context& loop() { return loop_; }
  // Null: the configuration says that there is none.
  LibvirtSource* libvirt() { return libvirt_.get(); }
  const config::NotifierConfig& config() const { return config_; }
  const metrics::Measurements& measurements() const { return measurements_; }

 private:
  // DomainListener
  void DomainSeen(const DomainDescription& domain) override;
  void DomainShuttingDown(const Uuid& domain) override;
  void DomainGone(const Uuid& domain, DomainEnd end) override;
  void DomainRebooted(const Uuid& domain) override;
  void DomainResumed(const Uuid& domain) override;
  void DomainMetMemoryFailure(const Uuid& domain, const DomainMemoryFailure& failure) override;
  void LibvirtReachable(bool reachable, const std::string& why) override;
  // RecordObserver
  void EventRecorded(const ledger::VmIdentity& vm, const PoisonEvent& event) override;
  void PageChanged(const ledger::PageRow& page) override;
  void AlarmChanged(const ledger::AlarmRow& alarm) override;
  void ExitsLost(const ledger::VmIdentity& vm, std::uint64_t lost) override;
  void MemoryKnown(const ledger::VmIdentity& vm) override;
  // DomainMarker
  void WriteMark(const Uuid& domain, const DomainMark& mark,
                 std::function<void(Status)> done) override;

  void LedgerHealthChanged(const std::optional<Error>& failing);
  void EndDeadIncarnations();
  void OpenPolicy();
  Status OpenAttachSocket();
  Status OpenMetrics();
  Status OpenHostTrace();
  void WatchHostTrace(UniqueFd pipe);
  void HostTraceEnded(const Error& why);
  void AcceptAttachments();
  void Admit(ring::Attachment attachment);
  void Refuse(const ring::Attachment& attachment, const Error& why);
  std::shared_ptr<Vm> VmOfDomain(const DomainDescription& domain);
  std::shared_ptr<Vm> VmOfConfig(const config::StaticVm& vm);

  boost::asio::io_context& loop_;
  const config::NotifierConfig config_;
  const Clock& clock_;
  const Logger& log_;
  LimitedSink attach_sink_;  // anybody may knock, as often as they like
  const Logger attach_log_;
  std::unique_ptr<DomainRecords> records_;
  AttachGate gate_;
  metrics::Measurements measurements_;
  LedgerThread ledger_;
  PageIds ids_;
  RetiredFrames retired_frames_;
  HostRetirer retirer_;
  VmContext context_;
  std::unique_ptr<LibvirtSource> libvirt_;
  NotifierHands hands_{*this};
  std::shared_ptr<ActionDesk> actions_;
  std::shared_ptr<PolicyDesk> policy_;
  std::optional<ring::AttachListener> attach_listener_;
  std::unique_ptr<FdWatch> attach_watch_;
  std::unique_ptr<observe::ControlHandler> desk_;
  std::unique_ptr<observe::ControlServer> control_;
  std::unique_ptr<MetricsDesk> metrics_desk_;
  std::unique_ptr<metrics::MetricsServer> metrics_;
  Vms vms_;
  std::set<Uuid> ignored_;  // running domains without our channel
  NotifierCounters counters_;
  bool libvirt_reachable_ = false;
  std::string libvirt_error_;
  std::optional<Error> ledger_failing_;
  Drain drain_;
  LedgerKeeper keeper_;
  std::shared_ptr<FrameDesk> frames_;
  std::unique_ptr<HostTrace> host_trace_;
  std::string host_trace_error_;
};

}  // namespace seaward
