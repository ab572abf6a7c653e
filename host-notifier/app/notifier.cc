#include "host-notifier/app/notifier.h"

#include <limits.h>
#include <unistd.h>

#include <utility>

#include "host-notifier/app/metrics_desk.h"
#include "host-notifier/app/operator_desk.h"
#include "host-notifier/channel/unix_channel.h"

namespace seaward {
namespace {

// Long enough for a libvirtd under load to answer the call at hand.
constexpr std::chrono::seconds kLibvirtPatience{2};

class StatusRecords final : public DomainRecords {
 public:
  explicit StatusRecords(const config::LibvirtConfig& libvirt)
      : directory_(libvirt.status_dir, libvirt.channel_name) {}
  Result<DomainStatus> FindByPid(pid_t pid) const override { return directory_.FindByPid(pid); }
  Result<DomainStatus> FindByName(const std::string& name) const override {
    return directory_.FindByName(name);
  }

 private:
  const StatusDirectory directory_;
};

// Of one VM: its socket, and libvirt where there is one.
class VmChannelOpener final : public ChannelOpener {
 public:
  VmChannelOpener(boost::asio::io_context& loop, const std::unique_ptr<LibvirtSource>* libvirt,
                  const Uuid& uuid)
      : loop_(loop), libvirt_(libvirt), uuid_(uuid) {}
  Result<std::unique_ptr<ByteChannel>> OpenSocket(const std::string& path,
                                                  ChannelListener& listener) override {
    return ConnectUnixChannel(loop_, path, listener);
  }
  Result<std::unique_ptr<ByteChannel>> OpenStream(ChannelListener& listener) override {
    if (libvirt_ == nullptr || *libvirt_ == nullptr)
      return Fail(ErrorCode::kUnsupported, "no libvirt to open a stream with");
    return (*libvirt_)->OpenChannel(uuid_, listener);
  }

 private:
  boost::asio::io_context& loop_;
  const std::unique_ptr<LibvirtSource>* libvirt_;  // null: a static VM
  const Uuid uuid_;
};

LedgerThread::Options MeasuredBy(metrics::Measurements& measurements) {
  LedgerThread::Options options;
  options.committed = [&measurements](std::chrono::nanoseconds took) {
    measurements.commit.Observe(took);
  };
  return options;
}

}  // namespace

Notifier::Notifier(boost::asio::io_context& loop, config::NotifierConfig config, const Clock& clock,
                   const Logger& log, HostMemory& memory, std::unique_ptr<ledger::Ledger> ledger)
    : loop_(loop),
      config_(std::move(config)),
      clock_(clock),
      log_(log),
      attach_sink_(log.sink(), clock, "attach"),
      attach_log_(attach_sink_, log.threshold()),
      records_(config_.libvirt.enabled ? std::make_unique<StatusRecords>(config_.libvirt)
                                       : nullptr),
      gate_(records_.get(), config_.static_vms),
      ledger_(loop, std::move(ledger), clock, MeasuredBy(measurements_),
              [this](const std::optional<Error>& failing) { LedgerHealthChanged(failing); }),
      ids_(ledger_),
      retirer_(ledger_, memory, retired_frames_, clock, log, config_),
      context_{loop,     clock, log,   ledger_,       memory, ids_,
               retirer_, *this, *this, measurements_, config_},
      drain_(loop, clock, log, ledger_, vms_),
      keeper_(loop, clock, log, ledger_, config_.retention),
      frames_(std::make_shared<FrameDesk>(
          FrameDesk::Parts{loop, clock, log, ledger_, memory, retired_frames_, vms_})) {}

Notifier::~Notifier() {
  Stop();
}

Status Notifier::Start() {
  if (auto opened = OpenAttachSocket(); !opened) return opened;
  OpenPolicy();
  desk_ = std::make_unique<OperatorDesk>(*this, clock_);
  auto control = observe::ControlServer::Open(loop_, config_.control_socket, *desk_);
  if (!control) return Forward(control);
  control_ = std::move(*control);
  if (auto opened = OpenMetrics(); !opened) return opened;
  if (auto opened = OpenHostTrace(); !opened) return opened;
  EndDeadIncarnations();
  keeper_.Start();
  actions_->Resume();
  for (const config::StaticVm& vm : config_.static_vms)
    VmOfConfig(vm)->Seen(vm.channel, vm.has_ghes);
  if (!config_.libvirt.enabled) return {};
  auto source = LibvirtSource::Start(
      loop_, {.uri = config_.libvirt.uri, .channel_name = config_.libvirt.channel_name}, *this);
  if (!source) return Forward(source);
  libvirt_ = std::move(*source);
  return {};
}

bool Notifier::Stop() {
  control_.reset();
  metrics_.reset();
  attach_watch_.reset();
  attach_listener_.reset();
  host_trace_.reset();
  frames_.reset();
  policy_.reset();
  actions_.reset();
  vms_.clear();
  const bool libvirt_stopped = libvirt_ == nullptr || libvirt_->Stop(kLibvirtPatience);
  ledger_.Stop();
  return libvirt_stopped;
}

Status Notifier::OpenMetrics() {
  if (!config_.metrics.enabled) return {};
  metrics_desk_ = std::make_unique<MetricsDesk>(*this, clock_);
  auto server =
      metrics::MetricsServer::Open(loop_, config_.metrics.address, config_.metrics.port,
                                   [this](auto done) { metrics_desk_->Answer(std::move(done)); });
  if (!server) return Forward(server);
  metrics_ = std::move(*server);
  log_.Info("metrics_served", {{"address", metrics_->endpoint()}});
  return {};
}

void Notifier::OpenPolicy() {
  char host[HOST_NAME_MAX + 1] = {};
  ::gethostname(host, HOST_NAME_MAX);
  actions_ = std::make_shared<ActionDesk>(
      ActionDesk::Parts{loop_, clock_, ledger_, log_, config_.policy, hands_, host});
  const auto find = [this](const Uuid& uuid) -> std::optional<PolicyDesk::LiveVm> {
    const auto vm = vms_.find(uuid);
    if (vm == vms_.end()) return std::nullopt;
    return PolicyDesk::LiveVm{vm->second->identity(), vm->second->incarnation()};
  };
  policy_ = std::make_shared<PolicyDesk>(
      PolicyDesk::Parts{loop_, clock_, ledger_, log_, config_, find, *actions_});
}

std::shared_ptr<Vm> Notifier::FindVm(const std::string& name_or_uuid) const {
  for (const auto& [uuid, vm] : vms_)
    if (vm->identity().name == name_or_uuid || FormatUuid(uuid) == name_or_uuid) return vm;
  return nullptr;
}

std::shared_ptr<Vm> Notifier::VmOfDomain(const DomainDescription& domain) {
  auto& vm = vms_[domain.uuid];
  if (vm != nullptr) return vm;
  FindProcess find = [this, name = domain.name]() -> std::optional<ProcessIdentity> {
    const auto status = records_->FindByName(name);
    if (!status) return std::nullopt;
    auto process = IdentifyProcess(status->pid, "/proc");
    if (!process) return std::nullopt;
    return *process;
  };
  vm = std::make_shared<Vm>(context_, ledger::VmIdentity{domain.uuid, domain.name},
                            std::make_unique<VmChannelOpener>(loop_, &libvirt_, domain.uuid),
                            std::move(find));
  if (draining()) vm->PauseIntake();
  return vm;
}

std::shared_ptr<Vm> Notifier::VmOfConfig(const config::StaticVm& config) {
  auto& vm = vms_[config.uuid];
  if (vm == nullptr)
    vm = std::make_shared<Vm>(context_, ledger::VmIdentity{config.uuid, config.name},
                              std::make_unique<VmChannelOpener>(loop_, nullptr, config.uuid),
                              FindProcess());
  return vm;
}

void Notifier::DomainSeen(const DomainDescription& domain) {
  if (!domain.has_channel) {
    if (ignored_.insert(domain.uuid).second)
      log_.Info("domain_ignored", {{"vm", domain.name}, {"why", "no agent channel"}});
    return;
  }
  ignored_.erase(domain.uuid);
  VmOfDomain(domain)->Seen(domain.channel_socket, domain.has_ghes);
  if (policy_ != nullptr) policy_->UseDomainPolicy({domain.uuid, domain.name}, domain.policy);
}

// Not yet the end: with on_poweroff=restart, or a reboot through libvirt, QEMU goes on with the
// same memory, and taking a page away from a domain without GHES now would kill it.
void Notifier::DomainShuttingDown(const Uuid& domain) {
  const auto it = vms_.find(domain);
  if (it != vms_.end()) log_.Info("guest_powered_off", {{"vm", it->second->identity().name}});
}

void Notifier::DomainGone(const Uuid& domain, DomainEnd end) {
  ignored_.erase(domain);
  const auto it = vms_.find(domain);
  if (it == vms_.end()) return;
  // A quick restart: the successor was met before its predecessor's end was told.
  if (it->second->StillRuns()) return;
  it->second->Ended(ToString(end));
  // Its last exits may still be on their way: it is then forgotten with the next one.
  std::erase_if(vms_, [](const auto& entry) { return entry.second->forgettable(); });
  if (policy_ != nullptr) policy_->ForgetTheGone();
}

void Notifier::DomainRebooted(const Uuid& domain) {
  const auto it = vms_.find(domain);
  if (it != vms_.end()) it->second->Rebooted();
}

void Notifier::DomainResumed(const Uuid& domain) {
  const auto it = vms_.find(domain);
  if (it != vms_.end()) it->second->Resumed();
}

void Notifier::DomainMetMemoryFailure(const Uuid& domain, const DomainMemoryFailure& failure) {
  const auto it = vms_.find(domain);
  if (it != vms_.end() && frames_ != nullptr) frames_->HypervisorSaid(it->second, failure);
}

void Notifier::LibvirtReachable(bool reachable, const std::string& why) {
  if (reachable == libvirt_reachable_ && why == libvirt_error_) return;
  if (libvirt_reachable_ && !reachable) ++counters_.libvirt_losses;
  libvirt_reachable_ = reachable;
  libvirt_error_ = why;
  if (reachable) {
    log_.Info("libvirt_connected", {{"uri", config_.libvirt.uri}});
  } else {
    log_.Warning("libvirt_unreachable", {{"uri", config_.libvirt.uri}, {"why", why}});
  }
}

void Notifier::EventRecorded(const ledger::VmIdentity& vm, const PoisonEvent& event) {
  if (control_ != nullptr) control_->EventRecorded(vm, event);
  if (policy_ != nullptr) policy_->Recheck(vm.uuid);
}

void Notifier::PageChanged(const ledger::PageRow& page) {
  if (control_ != nullptr) control_->PageChanged(page);
  if (policy_ != nullptr) policy_->Recheck(page.vm.uuid);
}

void Notifier::AlarmChanged(const ledger::AlarmRow& alarm) {
  if (control_ != nullptr) control_->AlarmChanged(alarm);
}

void Notifier::ExitsLost(const ledger::VmIdentity& vm, std::uint64_t lost) {
  if (policy_ != nullptr) policy_->ExitsLost(vm.uuid, lost);
}

void Notifier::MemoryKnown(const ledger::VmIdentity& vm) {
  if (policy_ != nullptr) policy_->Recheck(vm.uuid);
}

// Only domains of libvirt's ask for it, and they come from there.
void Notifier::WriteMark(const Uuid& domain, const DomainMark& mark,
                         std::function<void(Status)> done) {
  if (libvirt_ != nullptr) libvirt_->WriteMark(domain, mark, std::move(done));
}

void Notifier::LedgerImported() {
  EndDeadIncarnations();
  for (const auto& [uuid, vm] : vms_) vm->Reload();
}

void Notifier::LedgerHealthChanged(const std::optional<Error>& failing) {
  ledger_failing_ = failing;
  if (failing) {
    log_.Error("ledger_not_writable",
               {{"why", failing->Text()}, {"effect", "delivery goes on; ring slots are kept"}});
  } else {
    log_.Info("ledger_writable");
  }
}

// Processes that ended while no notifier ran. Their frames went back to the host meanwhile.
void Notifier::EndDeadIncarnations() {
  ledger_.Write<void>(
      [](ledger::Ledger& l) -> Status {
        ledger::LedgerView view = l.View();
        auto open = view.OpenIncarnations();
        if (!open) return Forward(open);
        for (const ledger::IncarnationRow& row : *open) {
          const auto now = IdentifyProcess(row.vmm.pid, "/proc");
          if (now && *now == row.vmm) continue;
          if (auto ended = l.EndIncarnation(row.id); !ended) return ended;
        }
        return {};
      },
      [this](const Status& done) {
        if (!done) log_.Error("old_vms_not_closed", {{"why", done.error().Text()}});
        retirer_.CatchUp();
      });
}

}  // namespace seaward
