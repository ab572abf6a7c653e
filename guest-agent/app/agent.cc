#include "guest-agent/app/agent.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/file_io.h"
#include "guest-agent/journal/journal_file.h"
#include "guest-agent/port/port_finder.h"
#include "guest-agent/preboot/boot_installer.h"
#include "guest-agent/preboot/efi_variables.h"

namespace seaward::agent {
namespace {

using protocol::Evidence;
using protocol::Outcome;
using protocol::Stage;

// The journal follows the verdicts by a second: a burst is one write, and no verdict waits for it.
constexpr std::chrono::seconds kSaveDelay{1};
// A replay after a reboot may bring thousands of verdicts; people read the first ones. The early
// stage writes to a console, and the boot waits for it.
constexpr std::size_t LinesPerWindow(Stage stage) {
  return stage == Stage::kEarly ? 10 : 100;
}
constexpr std::chrono::seconds kLogWindow{10};

// Nothing else goes on in the early stage: it looks at its port more rarely.
SessionLimits LimitsOf(Stage stage) {
  SessionLimits limits;
  if (stage == Stage::kEarly) limits.slice_pages = 64;
  return limits;
}

// Stands in where the kernel has no hard_offline_page or does not let us: every page then fails
// with the reason.
class MissingOffliner final : public PageOffliner {
 public:
  explicit MissingOffliner(int sys_errno) : sys_errno_(sys_errno) {}
  int TakeOffline(Verb, GuestPhysAddr) override { return sys_errno_; }

 private:
  int sys_errno_;
};

std::unique_ptr<PageOffliner> OpenOffliner(const SystemRoots& roots, const Logger& log) {
  auto offliner = SysfsPageOffliner::Open(roots.sys);
  if (offliner) return std::make_unique<SysfsPageOffliner>(std::move(*offliner));
  log.Error("cannot_retire", {{"why", offliner.error().Text()}});
  const int why = offliner.error().sys_errno;
  return std::make_unique<MissingOffliner>(why == ENOENT ? EOPNOTSUPP : why);
}

std::uint64_t BudgetBytes(const BudgetConfig& budget, const SystemRoots& roots, const Logger& log) {
  const std::uint64_t by_size = budget.max_mib << 20;
  const auto layout = ProcGuestMemory(roots.proc).ReadLayout();
  if (!layout) {
    log.Warning("memory_layout_unknown", {{"why", layout.error().Text()}});
    return by_size;
  }
  return std::min(by_size, layout->system_ram_bytes() / 100 * budget.max_percent);
}

HugetlbAction ActionOf(HugetlbChoice choice) {
  switch (choice) {
    case HugetlbChoice::kRetire:
      return HugetlbAction::kRetire;
    case HugetlbChoice::kDefer:
      return HugetlbAction::kDefer;
    case HugetlbChoice::kReport:
      return HugetlbAction::kReport;
  }
  return HugetlbAction::kRetire;
}

RetirementLimits LimitsOf(const AgentConfig& config, const Agent::Environment& environment) {
  RetirementLimits limits;
  limits.budget_bytes = BudgetBytes(config.budget, environment.roots, environment.log);
  limits.node_percent = static_cast<unsigned>(config.budget.node_percent);
  limits.rate = {static_cast<std::uint32_t>(config.rate.pages_per_s),
                 static_cast<std::uint32_t>(config.rate.burst)};
  limits.account_only = config.mode == Mode::kAccount;
  limits.hugetlb = ActionOf(config.hugetlb);
  limits.huge_sizes = HugePageSizes(environment.roots.sys);
  limits.retry_initial = config.retry.initial;
  limits.retry_max = config.retry.max;
  return limits;
}

// Without NUMA there is nothing to say: the whole machine is one node.
std::optional<NumaNodes> NodesOf(const SystemRoots& roots) {
  auto nodes = NumaNodes::Read(roots.sys);
  if (!nodes) return std::nullopt;
  return std::move(*nodes);
}

std::unique_ptr<AttemptRecord> OpenBootLog(const std::string& run_dir, const Uuid& boot_id,
                                           const Logger& log) {
  std::error_code error;
  std::filesystem::create_directories(run_dir, error);
  auto boot_log = BootLog::Open(run_dir + "/retirements", boot_id);
  if (!boot_log) {
    log.Warning("boot_log_unusable", {{"why", boot_log.error().Text()}});
    return std::make_unique<NoBootLog>();
  }
  if (boot_log->set_aside()) log.Warning("boot_log_set_aside", {{"run_dir", run_dir}});
  if (boot_log->skipped_bytes() > 0)
    log.Warning("boot_log_damaged", {{"bytes", fmt::format("{}", boot_log->skipped_bytes())}});
  return std::make_unique<BootLog>(std::move(*boot_log));
}

}  // namespace

Agent::Parts Agent::Prepare(const AgentConfig& config, Stage stage,
                            const Environment& environment) {
  Parts parts;
  parts.identity.stage = stage;
  parts.identity.page_size = environment.page_size;
  parts.identity.version = SEAWARD_VERSION;
  parts.identity.machine = ReadMachineUuid(environment.roots);
  parts.limits = LimitsOf(config, environment);
  if (config.mode == Mode::kAccount) {
    environment.log.Warning("account_mode", {{"why", "no page is taken out of use"}});
  }
  parts.offliner = OpenOffliner(environment.roots, environment.log);
  return parts;
}

Result<std::unique_ptr<Agent>> Agent::Create(const AgentConfig& config, Stage stage,
                                             const Environment& environment) {
  auto boot_id = ReadBootId(environment.roots);
  if (!boot_id) return Forward(boot_id);
  Parts parts = Prepare(config, stage, environment);
  parts.identity.boot_id = *boot_id;
  parts.record = OpenBootLog(config.run_dir, *boot_id, environment.log);
  const auto* earlier = dynamic_cast<const BootLog*>(parts.record.get());
  std::unique_ptr<Agent> agent(new Agent(config, environment, std::move(parts)));
  if (earlier != nullptr) agent->Restore(*earlier);
  agent->ReadDriversReport();
  if (stage == Stage::kRun) {
    agent->OpenJournal();
    agent->WatchForChanges();
    if (earlier != nullptr) agent->KeepForNextBoot(*earlier);
  }
  return agent;
}

Agent::Agent(const AgentConfig& config, const Environment& environment, Parts parts)
    : config_(config),
      roots_(environment.roots),
      clock_(environment.clock),
      log_(environment.log),
      stage_(parts.identity.stage),
      memory_(environment.roots.proc),
      offliner_(std::move(parts.offliner)),
      record_(std::move(parts.record)),
      retirer_(memory_, *offliner_, *record_, clock_, parts.identity.page_size, stage_),
      desk_(memory_, retirer_, clock_, parts.limits, NodesOf(roots_)),
      journal_(parts.identity.machine, parts.identity.boot_id),
      session_(parts.identity, LimitsOf(stage_), clock_, desk_, *this),
      keeper_(environment.roots, config.channel_name, clock_, log_),
      losses_(roots_.proc, roots_.sys + "/fs/cgroup", parts.identity.page_size) {}

void Agent::Restore(const BootLog& log) {
  std::size_t concluded = 0;
  std::size_t undone = 0;
  for (const BootRecord& record : log.earlier()) {
    if (!record.concluded) {
      desk_.RestoreAttempt(record.range, record.verdict.kind);
      continue;
    }
    ++concluded;
    if (!desk_.Restore(record.range, record.verdict)) {
      ++undone;
      continue;
    }
    const bool open = record.verdict.outcome == Outcome::kDeferred;
    if (record.verdict.verb == Verb::kHard && !open) session_.RestoreDealtWith(record.range);
  }
  if (concluded > 0) {
    log_.Info("boot_log_read", {{"verdicts", fmt::format("{}", concluded)},
                                {"retired_bytes", fmt::format("{}", desk_.retired_bytes())}});
  }
  if (undone > 0) log_.Warning("retirements_undone", {{"pages", fmt::format("{}", undone)}});
}

void Agent::MemoryMayHaveChanged(std::string_view why) {
  log_.Info("verify_retirements", {{"why", std::string(why)}});
  desk_.MemoryChanged(BudgetBytes(config_.budget, roots_, log_), NodesOf(roots_));
  session_.Reverify();
}

void Agent::ChangesNoticed() {
  if (!changes_) return;
  if (const auto change = changes_->Drain()) MemoryMayHaveChanged(*change);
}

// The early stage has no disk: what it concluded is in no journal yet, and the host does not ask
// for it again.
void Agent::KeepForNextBoot(const BootLog& log) {
  for (const BootRecord& record : log.earlier()) {
    const PageVerdict& verdict = record.verdict;
    const bool open = verdict.outcome == Outcome::kDeferred || verdict.outcome == Outcome::kNotRam;
    if (!record.concluded || open || verdict.verb != Verb::kHard) continue;
    (void)journal_.Recollect({.id = 1,
                              .range = record.range,
                              .outcome = verdict.outcome,
                              .kind = verdict.kind,
                              .stage = verdict.stage,
                              .sys_errno = verdict.sys_errno});
  }
  SaveJournalSoon();
}

void Agent::MarkRunning() {
  if (auto marked = ReplaceFile(config_.run_dir + std::string(kRunMark), {}); !marked)
    log_.Warning("run_mark_missing", {{"why", marked.error().Text()}});
}

void Agent::OpenJournal() {
  list_keeper_ = std::make_unique<ListKeeper>(
      ListKeeper::Places{config_.next_boot.list, roots_.proc, roots_.sys},
      PlanLimits{config_.next_boot.max_ranges, config_.next_boot.kernel_room_mib << 20}, log_);
  writer_ = std::make_unique<JournalWriter>(
      config_.journal, [this](const Status& saved, const JournalContent& content) {
        if (!saved) log_.Warning("journal_not_saved", {{"why", saved.error().Text()}});
        if (auto kept = list_keeper_->Keep(content); !kept)
          log_.Warning("next_boot_list_not_kept", {{"why", kept.error().Text()}});
      });
  if (AdoptJournal()) session_.RememberIncarnation(journal_.incarnation());
}

bool Agent::AdoptJournal() {
  auto loaded = LoadJournal(config_.journal);
  if (!loaded) {
    log_.Warning("journal_unreadable", {{"why", loaded.error().Text()}});
    return false;
  }
  if (loaded->set_aside)
    log_.Warning("journal_set_aside",
                 {{"path", config_.journal}, {"why", loaded->set_aside->Text()}});
  if (!loaded->content) return false;
  if (journal_.Adopt(*loaded->content) == JournalOrigin::kAnotherMachine) {
    log_.Warning("journal_of_another_machine",
                 {{"path", config_.journal}, {"machine", FormatUuid(loaded->content->machine)}});
    return false;
  }
  log_.Info("journal_read", {{"entries", fmt::format("{}", journal_.size())}});
  return true;
}

void Agent::WatchForChanges() {
  auto changes = ChangeWatcher::Open();
  if (changes) {
    changes_.emplace(std::move(*changes));
  } else {
    log_.Warning("changes_unwatched", {{"why", changes.error().Text()}});
  }
}

int Agent::port_fd() {
  const AgentPort* port = keeper_.port();
  return port == nullptr ? -1 : port->fd();
}

void Agent::LookForPort() {
  if (keeper_.Look()) PortEvent();
}

void Agent::PortEvent() {
  unread_ = false;
  for (int reads = 1; keeper_.port() != nullptr; ++reads) {
    const auto arrival = keeper_.port()->Read(buffer_);
    if (!arrival) {
      lost_own_memory_ = arrival.error().sys_errno == EFAULT;
      keeper_.Drop(arrival.error());
    }
    const bool connected = arrival && arrival->host_connected;
    if (connected != host_connected_) {
      host_connected_ = connected;
      log_.Info(connected ? "host_connected" : "host_gone");
      connected ? session_.HostConnected() : session_.HostGone();
    }
    if (!arrival || arrival->bytes == 0) return;
    session_.BytesReceived(std::span(buffer_).first(arrival->bytes));
    // Pages first: to learn that nothing else waits takes another system call.
    if (session_.HasWork() || reads == kReadsPerEdge) {
      unread_ = true;
      return;
    }
  }
}

void Agent::Work() {
  const MonoTime now = clock_.Now();
  if (keeper_.NextLook() && *keeper_.NextLook() <= now) LookForPort();
  session_.Work();
  if (unread_) PortEvent();
  if (!Urgent()) {
    LogVerdicts();
    FindLosses();
  }
  if (save_due_ && *save_due_ <= now) SaveJournalNow();
}

std::optional<MonoTime> Agent::NextDeadline() const {
  std::optional<MonoTime> next = session_.NextDeadline();
  for (const auto& due : {keeper_.NextLook(), save_due_})
    if (due && (!next || *due < *next)) next = due;
  return next;
}

EarlyView Agent::View() {
  const bool port_open = keeper_.port() != nullptr;
  // Asked after every slice of pages: the devices are walked for as long as there is no port only.
  return EarlyView{.console_device = port_open || ConsoleDevicePresent(roots_.sys),
                   .port_open = port_open,
                   .host_answered = session_.phase() == SessionPhase::kLive,
                   .settled = session_.Settled()};
}

void Agent::SaveJournalSoon() {
  if (writer_ && journal_.changed() && !save_due_) save_due_ = clock_.Now() + kSaveDelay;
}

void Agent::SaveJournalNow() {
  save_due_.reset();
  if (!writer_ || (!journal_.changed() && !list_due_)) return;
  list_due_ = false;
  writer_->Save(journal_.Content());
  journal_.MarkSaved();
}

bool Agent::SendFrame(std::span<const std::byte> frame) {
  if (keeper_.port() == nullptr) return false;
  const auto sent = keeper_.port()->Send(frame);
  // A port that is gone is met, and dropped, by the next read.
  return sent.value_or(false);
}

std::uint64_t Agent::HardwareCorruptedBytes() {
  return agent::HardwareCorruptedBytes(roots_);
}

void Agent::OnLive(const protocol::HelloAck& ack) {
  log_.Info("session_live", {{"incarnation", FormatUuid(ack.incarnation)}});
  if (journal_.BackedBy(ack.incarnation))
    log_.Info("journal_dropped", {{"why", "the memory behind this guest is another one"}});
  SaveJournalSoon();
}

void Agent::OnProgress(const RetirementProgress& progress) {
  for (const protocol::VerdictRecord& record : progress.records) {
    if (unlogged_.size() < LinesPerWindow(stage_)) {
      unlogged_.push_back(record);
    } else {
      ++suppressed_;
    }
  }
  for (const auto& loss : progress.huge) LogHugeLoss(loss);
  // The early stage has no time for it, and hardly a process to find.
  if (stage_ == Stage::kRun)
    for (const auto& lost : progress.lost)
      losses_.Seek(lost.id, lost.page, lost.bytes, lost.cgroup);
  for (const ByteRange& page : progress.restored)
    log_.Warning("retired_again", {{"gpa", FormatAddress(page.start().value)}});
  bool kept = true;
  for (const KeptVerdict& verdict : progress.to_keep) kept = journal_.Add(verdict) && kept;
  if (!kept) log_.Warning("journal_full", {{"entries", fmt::format("{}", journal_.size())}});
  SaveJournalSoon();
}

std::vector<protocol::KnownRecord> Agent::KnownPages() {
  const auto attempted = desk_.HardPages();
  auto known = journal_.KnownPages(attempted);
  log_.Info("recalled", {{"ranges", fmt::format("{}", known.size())},
                         {"why", "the host lost its record of this memory"}});
  return known;
}

void Agent::OnSynced() {
  log_.Info("synced", {{"retired_bytes", fmt::format("{}", desk_.retired_bytes())},
                       {"rejected_frames", fmt::format("{}", session_.rejected_frames())},
                       {"dropped_bytes", fmt::format("{}", session_.dropped_bytes())}});
  // From now on the journal is all there is: a list that another agent wrote, or none, gives way
  // even when nothing changes.
  if (!writer_ || std::exchange(host_confirmed_, true)) return;
  list_due_ = true;
  if (!save_due_) save_due_ = clock_.Now() + kSaveDelay;
}

void Agent::OnForgotten(const ByteRange& range) {
  log_.Info("forgotten", {{"gpa", FormatAddress(range.start().value)},
                          {"length", FormatAddress(range.length())}});
  journal_.Forget(range);
  SaveJournalSoon();
}

void Agent::LogHugeLoss(const RetirementProgress::HugeLoss& loss) {
  // Of a page that nobody has mapped only the bad part goes.
  const std::uint64_t cost = loss.huge.mapped ? loss.huge.range.length() : loss.page.length();
  log_.Warning("hugetlb_page", {{"gpa", FormatAddress(loss.page.start().value)},
                                {"huge_page", FormatAddress(loss.huge.range.start().value)},
                                {"huge_kib", fmt::format("{}", loss.huge.range.length() >> 10)},
                                {"cost_kib", fmt::format("{}", cost >> 10)},
                                {"outcome", std::string(ToString(loss.outcome))}});
}

// Behind everything else, one slice at a time.
void Agent::FindLosses() {
  if (!losses_.HasWork()) return;
  const auto found = losses_.Step();
  if (!found) return;
  for (const protocol::Loss& loss : found->losses)
    log_.Warning("page_lost", {{"id", fmt::format("{}", loss.id)},
                               {"gpa", FormatAddress(loss.range.start().value)},
                               {"lost_bytes", fmt::format("{}", loss.lost_bytes)},
                               {"pid", fmt::format("{}", loss.pid)},
                               {"comm", loss.comm},
                               {"cgroup", loss.cgroup}});
  if (losses_.unseen_processes() > 0)
    log_.Info("processes_unseen", {{"count", fmt::format("{}", losses_.unseen_processes())}});
  if (!found->losses.empty()) session_.TellLosses(*found);
}

void Agent::LogVerdicts() {
  if (clock_.Now() - log_window_ > kLogWindow) {
    log_window_ = clock_.Now();
    logged_ = 0;
  }
  for (const protocol::VerdictRecord& record : unlogged_) {
    if (logged_ >= LinesPerWindow(stage_)) {
      ++suppressed_;
      continue;
    }
    ++logged_;
    LogVerdict(record);
  }
  unlogged_.clear();
  // Said with the next verdict that is logged: a count of its own would need a wake-up.
  if (suppressed_ > 0 && logged_ < LinesPerWindow(stage_))
    log_.Info("verdicts_unlogged",
              {{"count", fmt::format("{}", std::exchange(suppressed_, std::size_t{0}))}});
}

void Agent::LogVerdict(const protocol::VerdictRecord& record) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(record.duration);
  log_.Info("verdict", {{"id", fmt::format("{}", record.id)},
                        {"gpa", FormatAddress(record.range.start().value)},
                        {"length", FormatAddress(record.range.length())},
                        {"outcome", std::string(ToString(record.outcome))},
                        {"kind", std::string(ToString(record.kind))},
                        {"stage", std::string(ToString(record.stage))},
                        {"errno", fmt::format("{}", record.sys_errno)},
                        {"duration_us", fmt::format("{}", micros.count())}});
}

}  // namespace seaward::agent
