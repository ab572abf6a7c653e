// seaward-agent: inside the guest, takes bad memory out of use.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <span>

#include "base/journal_sink.h"
#include "guest-agent/app/agent.h"
#include "guest-agent/app/agent_loop.h"
#include "guest-agent/app/boot_commands.h"
#include "guest-agent/app/command_line.h"
#include "guest-agent/app/memory_lock.h"
#include "guest-agent/app/rehearsal.h"
#include "guest-agent/app/self_restart.h"
#include "guest-agent/app/syscall_filter.h"

namespace seaward::agent {
namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

yaml::Loaded<AgentConfig> ConfigFor(const CommandLine& line) {
  if (!line.config_required && ::access(line.config_path.c_str(), F_OK) != 0) return AgentConfig{};
  return LoadAgentConfig(line.config_path);
}

int Failed(const Logger& log, const Error& why) {
  log.Error("failed", {{"why", why.Text()}});
  if (why.sys_errno == EFAULT) RestartSelf();
  return kFailed;
}

void PrepareMemory(const Agent::Environment& environment) {
  if (const auto locked = LockMemory(); !locked)
    environment.log.Warning("memory_not_locked", {{"why", locked.error().Text()}});
  if (!RehearseRetirement(environment.page_size)) environment.log.Error("rehearsal_failed");
}

// Holds up the boot, within limits. The host's word is newer than anything that the machine knows
// by itself.
Status ServeBriefly(Agent& agent, AgentLoop& loop, const EarlyStage& early, Command command,
                    const Agent::Environment& environment, std::chrono::milliseconds limit) {
  auto end = loop.RunEarly(early);
  if (!end) return Forward(end);
  environment.log.Info("early_stage_ended", {{"why", std::string(ToString(*end))}});
  if (*end != EarlyEnd::kHostSilent && *end != EarlyEnd::kNoPort) return {};
  const MonoTime deadline = environment.clock.Now() + limit;
  agent.RetireWhatTheDriverLeft(deadline);
  if (command == Command::kReplay) agent.RetireWhatTheJournalKnows(deadline);
  return {};
}

int Serve(const AgentConfig& config, Command command) {
  // Both short stages want the host's list and leave.
  const auto stage = command == Command::kRun ? protocol::Stage::kRun : protocol::Stage::kEarly;
  const auto sink = OpenLogSink("seaward-agent");
  const Logger log(*sink, config.log_level);
  const SystemClock clock;
  const Agent::Environment environment{SystemRoots{}, KernelPageSize(), clock, log};
  const EarlyStage early({config.early.wait, config.early.limit}, clock.Now());
  if (IsCrashKernel(environment.roots)) {
    log.Info("not_running", {{"why", "this is a crash kernel"}});
    return kOk;
  }
  auto stop = TakeStopSignals();
  if (!stop) return Failed(log, stop.error());
  const bool locks = config.lock_memory && stage == protocol::Stage::kRun;
  if (locks) SettleHeap();
  auto agent = Agent::Create(config, stage, environment);
  if (!agent) return Failed(log, agent.error());
  auto loop = AgentLoop::Make(**agent, clock, stop->get());
  if (!loop) return Failed(log, loop.error());
  if (const auto filtered = FilterSystemCalls(); !filtered)
    log.Warning("system_calls_not_filtered", {{"why", filtered.error().Text()}});
  // Both before the memory is prepared, which gives back what only a start needs.
  if (stage == protocol::Stage::kRun) (*agent)->MarkRunning();
  (*agent)->LookForPort();
  if (locks) PrepareMemory(environment);
  if (stage == protocol::Stage::kEarly) {
    const auto done = ServeBriefly(**agent, *loop, early, command, environment, config.early.limit);
    return done ? kOk : Failed(log, done.error());
  }
  const auto ended = loop->Run();
  (*agent)->SaveJournalNow();
  return ended ? kOk : Failed(log, ended.error());
}

int ServeBoot(const AgentConfig& config, const CommandLine& line) {
  StderrSink sink;
  const Logger log(sink, config.log_level);
  const auto done = CarryOutBootCommand(line, config, log);
  return done ? kOk : Failed(log, done.error());
}

int Main(std::span<const char* const> arguments) {
  const auto line = ParseCommandLine(arguments);
  if (!line) {
    std::fprintf(stderr, "seaward-agent: %s\n%s", line.error().context.c_str(),
                 UsageText().c_str());
    return kUsage;
  }
  if (line->command == Command::kHelp) return std::puts(UsageText().c_str()) < 0 ? kFailed : kOk;
  if (line->command == Command::kVersion) return std::puts(SEAWARD_VERSION) < 0 ? kFailed : kOk;
  const auto config = ConfigFor(*line);
  if (!config) std::fputs(yaml::Render(config.error()).c_str(), stderr);
  if (line->command == Command::kEarly || line->command == Command::kReplay) {
    // Never keeps a machine from booting, and protects it with the defaults at least.
    (void)Serve(config ? *config : AgentConfig{}, line->command);
    return kOk;
  }
  if (!config) return kUsage;
  if (line->command == Command::kCheckConfig) return kOk;
  if (line->command == Command::kRun) return Serve(*config, Command::kRun);
  return ServeBoot(*config, *line);
}

}  // namespace
}  // namespace seaward::agent

int main(int argc, char** argv) {
  seaward::agent::RestartOnOwnMemoryError("/proc/self/exe", argv);
  return seaward::agent::Main(
      std::span<const char* const>(argv, static_cast<std::size_t>(argc)).subspan(1));
}
