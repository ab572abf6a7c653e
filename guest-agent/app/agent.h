// One agent: the session, the desk and the files behind them, wired to a real machine. The loop
// that drives it is agent_loop.h.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "guest-agent/app/change_watcher.h"
#include "guest-agent/app/machine.h"
#include "guest-agent/app/port_keeper.h"
#include "guest-agent/boot/early_stage.h"
#include "guest-agent/config/agent_config.h"
#include "guest-agent/journal/boot_log.h"
#include "guest-agent/journal/journal_writer.h"
#include "guest-agent/journal/page_journal.h"
#include "guest-agent/losses/loss_finder.h"
#include "guest-agent/preboot/list_keeper.h"
#include "guest-agent/session/agent_session.h"

namespace seaward::agent {

class Agent final : private SessionEdge {
 public:
  struct Environment {
    SystemRoots roots;
    PageSize page_size;
    const Clock& clock;
    const Logger& log;
  };

  // Reads what earlier agents of this boot did and what the journal knows. Fails only without a
  // boot_id; everything else that is missing is said and worked around.
  static Result<std::unique_ptr<Agent>> Create(const AgentConfig& config, protocol::Stage stage,
                                               const Environment& environment);

  // -1 while there is none. `port_fd` is to be watched edge-triggered (AgentPort).
  int port_fd();
  int watch_fd() const { return keeper_.watch_fd(); }
  // Readable when memory, or the machine's idea of time, changed; -1 when nothing tells.
  int uevent_fd() const { return changes_ ? changes_->uevent_fd() : -1; }
  int clock_fd() const { return changes_ ? changes_->clock_fd() : -1; }

  // A device appeared, or NextDeadline() passed, or the agent starts.
  void LookForPort();
  // An edge on the port: takes what arrived, at most `kReadsPerEdge` buffers.
  void PortEvent();
  // uevent_fd() or clock_fd() is readable.
  void ChangesNoticed();
  // Pages that were retired may be in use again.
  void MemoryMayHaveChanged(std::string_view why);
  // What is due, and one slice of retirement.
  void Work();
  // More to do at once.
  bool HasWork() const { return Urgent() || losses_.HasWork(); }
  std::optional<MonoTime> NextDeadline() const;
  // A page of the agent itself was taken from it: this process cannot go on (self_restart.h).
  bool LostOwnMemory() const { return lost_own_memory_; }
  EarlyView View();
  // Before the process ends; the writer finishes with the agent.
  void SaveJournalNow();
  // The daemon's word that this boot came as far as an agent that runs (preboot/boot_installer.h).
  void MarkRunning();
  // For an early stage whose host is silent: retires the pages that the boot driver knew of and
  // could not keep from this kernel, until `deadline`.
  void RetireWhatTheDriverLeft(MonoTime deadline);
  // The same with the pages that the journal knows, of this machine's memory as it last was.
  void RetireWhatTheJournalKnows(MonoTime deadline);

 private:
  struct Parts {
    AgentIdentity identity;
    RetirementLimits limits;
    std::unique_ptr<PageOffliner> offliner;
    std::unique_ptr<AttemptRecord> record;
  };
  static constexpr int kReadsPerEdge = 8;
  bool Urgent() const { return unread_ || session_.HasWork(); }

  Agent(const AgentConfig& config, const Environment& environment, Parts parts);
  static Parts Prepare(const AgentConfig& config, protocol::Stage stage,
                       const Environment& environment);
  void Restore(const BootLog& log);
  void ReadDriversReport();
  void RetireNow(const std::vector<protocol::PoisonEntry>& entries, MonoTime deadline);
  // False: another machine's, or none.
  bool AdoptJournal();
  void KeepForNextBoot(const BootLog& log);
  void OpenJournal();
  void WatchForChanges();
  void SaveJournalSoon();

  bool SendFrame(std::span<const std::byte> frame) override;
  std::uint64_t ChooseNonce() override { return RandomNumber(); }
  std::uint64_t HardwareCorruptedBytes() override;
  void OnLive(const protocol::HelloAck& ack) override;
  void OnProgress(const RetirementProgress& progress) override;
  std::vector<protocol::KnownRecord> KnownPages() override;
  void OnSynced() override;
  void OnForgotten(const ByteRange& range) override;
  void LogHugeLoss(const RetirementProgress::HugeLoss& loss);
  void FindLosses();
  void LogVerdicts();
  void LogVerdict(const protocol::VerdictRecord& record);

  AgentConfig config_;
  SystemRoots roots_;
  const Clock& clock_;
  const Logger& log_;
  protocol::Stage stage_;
  ProcGuestMemory memory_;
  std::unique_ptr<PageOffliner> offliner_;
  std::unique_ptr<AttemptRecord> record_;
  PageRetirer retirer_;
  RetirementDesk desk_;
  PageJournal journal_;
  AgentSession session_;
  PortKeeper keeper_;
  LossFinder losses_;
  std::optional<ChangeWatcher> changes_;  // the daemon's alone
  std::array<std::byte, 8192> buffer_;
  bool host_connected_ = false;
  bool unread_ = false;
  bool lost_own_memory_ = false;
  std::optional<MonoTime> save_due_;
  bool list_due_ = false;        // though the journal did not change
  bool host_confirmed_ = false;  // in this process: the journal is all that the host wants
  std::vector<ByteRange> left_by_driver_;
  std::unique_ptr<ListKeeper> list_keeper_;  // the writer's thread alone calls it
  std::unique_ptr<JournalWriter> writer_;    // the daemon's alone: the early stage has no disk
  // Verdicts to be logged once there is nothing more urgent: a console can be slow. Rate-limited.
  std::vector<protocol::VerdictRecord> unlogged_;
  MonoTime log_window_{};
  std::size_t logged_ = 0;
  std::size_t suppressed_ = 0;
};

}  // namespace seaward::agent
