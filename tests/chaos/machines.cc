#include "tests/chaos/machines.h"

#include <signal.h>
#include <sys/resource.h>

#include <cstdlib>

#include "base/file_io.h"
#include "tests/support/wait_until.h"

namespace seaward::chaos {
namespace {

using Json = testing::GuestShell::Json;
using testing::NotifierHost;
using testing::TcgGuest;
using testing::WaitUntil;

constexpr char kGuestName[] = "guest";
const Uuid kVm = ParseUuid("5ea3a4d0-0000-4000-8000-0000000000c4").value();
// Small, so that a hog has taken all of it soon; the kernel and its image need a third.
constexpr unsigned kMemoryMib = 192;
// Processes of ours answer in milliseconds on a free machine.
constexpr std::chrono::seconds kPatience{60};
constexpr std::size_t kMaxLog = 64U << 20;

// The guest's kernel hands words that it does not know to its init, as environment.
std::string MutantWord() {
  const char* mutant = std::getenv("SEAWARD_MUTANT");
  return mutant == nullptr ? "" : "SEAWARD_MUTANT=" + std::string(mutant);
}

void LimitFiles(pid_t pid, rlim_t bytes) {
  rlimit limit{};
  if (::prlimit(pid, RLIMIT_FSIZE, nullptr, &limit) != 0) return;
  limit.rlim_cur = std::min(bytes, limit.rlim_max);
  ::prlimit(pid, RLIMIT_FSIZE, &limit, nullptr);
}

}  // namespace

Result<std::unique_ptr<Machines>> Machines::Start(const testing::GuestImages& images, World world) {
  std::unique_ptr<Machines> self(new Machines(images, world));
  if (auto up = self->BringUp(); !up) return Forward(up);
  return self;
}

Status Machines::BringUp() {
  auto libvirtd = testing::PrivateLibvirtd::Start();
  if (!libvirtd) return Forward(libvirtd);
  libvirtd_ = std::move(*libvirtd);
  testing::HostPlan plan{.vm = kVm, .vm_name = kGuestName, .channel = {}};
  if (world_ == World::kLibvirt) {
    plan.libvirt_uri = libvirtd_->uri();
    plan.libvirt_status_dir = libvirtd_->status_dir();
  } else {
    plan.channel = libvirtd_->folder() + "/vmm.sock";
  }
  host_.emplace(plan);
  // The host first: the guest's early stage asks it.
  if (auto up = StartNotifier(); !up) return up;
  return StartGuest();
}

Status Machines::StartGuest() {
  guest_.reset();
  if (world_ == World::kRing)
    if (auto up = StartVmm(); !up) return up;
  auto guest = TcgGuest::Start(
      *libvirtd_, images_,
      {.name = kGuestName, .uuid = kVm, .memory_mib = kMemoryMib, .more_words = MutantWord()});
  if (!guest) return Forward(guest);
  guest_ = std::move(*guest);
  Booted();
  return {};
}

std::string Machines::console_path() const {
  return libvirtd_->folder() + "/rt/" + kGuestName + "-console.log";
}

Status Machines::StartVmm() {
  exits_ = {};
  vmm_log_read_ = ReadTextFile(VmmLog(), kMaxLog).value_or("").size();
  auto started =
      testing::ChildProcess::Start({.argv = {SEAWARD_CHAOS_VMM, libvirtd_->folder() + "/vmm.sock",
                                             TcgGuest::ChannelPath(libvirtd_->folder(), kGuestName),
                                             host_->attach_socket(), FormatUuid(kVm)},
                                    .log = VmmLog(),
                                    .keep_stdin = true});
  if (!started) return Forward(started);
  vmm_ = std::move(*started);
  return {};
}

void Machines::Booted() {
  ++boots_;
  paused_ = false;
  agent_alive_ = true;
  agent_stopped_ = false;
}

Status Machines::ReplaceVmm() {
  vmm_.KillNow();
  if (auto killed = guest_->KillVmm(); !killed) return killed;
  return StartGuest();
}

Result<std::vector<Fate>> Machines::Consume(const std::vector<GuestPhysAddr>& pages,
                                            std::uint32_t vcpu) {
  std::vector<Fate> fates;
  if (world_ == World::kLibvirt) {
    for (const GuestPhysAddr page : pages)
      fates.push_back(Report(ByteRange::Granule(page), "consumed"));
    return fates;
  }
  for (const GuestPhysAddr page : pages)
    if (auto told = vmm_.WriteLine(PublishOrder(page, vcpu)); !told) return Forward(told);
  return ReadFates(pages.size());
}

Result<std::vector<Fate>> Machines::ReadFates(std::size_t exits) {
  std::vector<Fate> fates;
  const bool all = WaitUntil(
      [&] {
        const std::string log = ReadTextFile(VmmLog(), kMaxLog).value_or("");
        for (auto end = log.find('\n', vmm_log_read_); end != std::string::npos;
             end = log.find('\n', vmm_log_read_)) {
          const auto line =
              Json::parse(log.substr(vmm_log_read_, end - vmm_log_read_), nullptr, false);
          vmm_log_read_ = end + 1;
          if (!line.is_object()) continue;  // what the library says of itself
          const auto lost = line["lost"].get<std::uint64_t>();
          exits_.lost += lost;
          exits_.taken += line["taken"].get<std::uint64_t>();
          fates.push_back(lost == 0 ? Fate::kTaken : Fate::kLost);
        }
        return fates.size() >= exits;
      },
      kPatience);
  if (!all) return Fail(ErrorCode::kTimeout, "the VMM does not publish: " + host_->Logs());
  return fates;
}

Fate Machines::Report(const ByteRange& range, const std::string& evidence) {
  if (!notifier_works()) return Fate::kRefused;
  // A domain that was just seen is not known yet; whoever reports tries again.
  const bool taken = WaitUntil(
      [&] {
        return host_
            ->Seawardctl({"report", "--vm", kGuestName, "--gpa", FormatAddress(range.start().value),
                          "--length", std::to_string(range.length()), "--evidence", evidence})
            .has_value();
      },
      std::chrono::seconds(10));
  return taken ? Fate::kTaken : Fate::kRefused;
}

Status Machines::Pause() {
  if (paused_) return {};
  if (auto done = guest_->Pause(); !done) return done;
  paused_ = true;
  return {};
}

Status Machines::LetGuestRun() {
  if (!paused_) return {};
  if (auto done = guest_->Resume(); !done) return done;
  paused_ = false;
  return {};
}

Result<Json> Machines::AskGuest(const std::string& command, Json arguments) {
  if (auto runs = LetGuestRun(); !runs) return Forward(runs);
  return guest_->shell().Ask(command, std::move(arguments));
}

Status Machines::Reset() {
  if (auto runs = LetGuestRun(); !runs) return runs;
  auto done = guest_->Reset();
  if (done) Booted();
  return done;
}

Status Machines::Reboot() {
  if (auto runs = LetGuestRun(); !runs) return runs;
  auto done = guest_->RebootFromInside();
  if (done) Booted();
  return done;
}

Status Machines::Panic() {
  auto asked = AskGuest("sysrq", {{"key", "c"}});
  if (!asked) return Forward(asked);
  auto done = guest_->AwaitNextBoot();
  if (done) Booted();
  return done;
}

Result<int> Machines::AgentPid() {
  auto status = AskGuest("status");
  if (!status) return Forward(status);
  return (*status)["agent_pid"].get<int>();
}

Status Machines::SignalAgent(int signal) {
  if (!agent_alive_) return {};
  auto pid = AgentPid();
  if (!pid) return tl::unexpected<Error>(pid.error());
  auto done = AskGuest("kill", {{"pid", *pid}, {"signal", signal}});
  if (!done) return Forward(done);
  if (signal == SIGSTOP) agent_stopped_ = true;
  if (signal == SIGCONT) agent_stopped_ = false;
  return {};
}

Status Machines::KillAgent() {
  if (!agent_alive_) return {};
  auto pid = AgentPid();
  if (!pid) return tl::unexpected<Error>(pid.error());
  auto done = AskGuest("kill", {{"pid", *pid}});
  if (done) done = AskGuest("wait", {{"pid", *pid}});
  if (!done) return Forward(done);
  agent_alive_ = agent_stopped_ = false;
  return {};
}

Status Machines::StartAgent() {
  if (agent_alive_) return {};
  auto done = AskGuest("agent_start");
  if (!done) return Forward(done);
  agent_alive_ = true;
  return {};
}

Result<bool> Machines::AgentDiedAlone() {
  if (!agent_alive_) return false;
  auto pid = AgentPid();
  if (!pid) return Forward(pid);
  auto usage = AskGuest("process_usage", {{"pid", *pid}});
  if (!usage) return Forward(usage);
  return (*usage)["state"] == "Z";
}

void Machines::KillNotifier() {
  host_->KillNotifier();
  notifier_up_ = notifier_stopped_ = disk_full_ = false;
}

Status Machines::StartNotifier() {
  if (notifier_up_) return {};
  auto started = host_->StartNotifier();
  notifier_up_ = started.has_value();
  return started;
}

void Machines::StopNotifier() {
  if (!notifier_up_) return;
  host_->SignalNotifier(SIGSTOP);
  notifier_stopped_ = true;
}

void Machines::ContinueNotifier() {
  if (!notifier_up_) return;
  host_->SignalNotifier(SIGCONT);
  notifier_stopped_ = false;
}

// No file of it may be written any more: what a full disk is to it, by the kernel's own hand.
void Machines::FillDisk() {
  if (!notifier_up_) return;
  LimitFiles(host_->notifier_pid(), 0);
  disk_full_ = true;
}

void Machines::FreeDisk() {
  if (!notifier_up_) return;
  LimitFiles(host_->notifier_pid(), RLIM_INFINITY);
  disk_full_ = false;
}

Status Machines::KillLibvirtd() {
  return libvirtd_->Restart(SIGKILL);
}

void Machines::Order(const std::string& order) {
  // A VMM that is gone is found out by what no longer arrives.
  if (vmm_.started()) (void)vmm_.WriteLine(order);
}

Status Machines::MakeWell() {
  if (auto done = LetGuestRun(); !done) return done;
  ContinueNotifier();
  FreeDisk();
  if (auto done = StartNotifier(); !done) return done;
  if (auto done = SignalAgent(SIGCONT); !done) return done;
  return StartAgent();
}

}  // namespace seaward::chaos
