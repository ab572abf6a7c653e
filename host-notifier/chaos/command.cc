#include "host-notifier/chaos/command.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "host-notifier/chaos/control_witness.h"
#include "host-notifier/chaos/libvirt_victim.h"
#include "host-notifier/chaos/permit.h"
#include "host-notifier/chaos/progress.h"
#include "host-notifier/chaos/reports.h"
#include "host-notifier/chaos/runner.h"
#include "host-notifier/config/notifier_config.h"
#include "host-notifier/ctl/commands.h"
#include "host-notifier/libvirt/chaos_mark.h"

namespace seaward::chaos {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void OnSignal(int) {
  g_interrupted = 1;
}

// The first signal ends the run in good order, the second one the program.
void CatchSignals() {
  struct sigaction action {};
  action.sa_handler = &OnSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

class RealWaiting final : public Waiting {
 public:
  MonoTime Now() const override { return clock_.Now(); }
  WallTime WallNow() const override { return clock_.WallNow(); }
  void Sleep(std::chrono::milliseconds duration) override {
    ::poll(nullptr, 0, static_cast<int>(duration.count()));  // a signal ends it
  }
  bool Interrupted() const override { return g_interrupted != 0; }

 private:
  SystemClock clock_;
};

int ExitCodeOf(const Error& error) {
  if (error.code == ErrorCode::kNotFound) return ctl::kExitUnknownVm;
  return error.code == ErrorCode::kClosed ? ctl::kExitUnreachable : ctl::kExitFailed;
}

std::uint64_t RandomSeed() {
  std::random_device device;
  return device() % 1'000'000;  // short enough to be noted
}

std::string LineOfStdin() {
  std::string line;
  for (int c; (c = std::fgetc(stdin)) != EOF && c != '\n';) line += static_cast<char>(c);
  return line;
}

// Everything that a run needs and that must be right before it begins.
class Session {
 public:
  Session(const Command& command, std::FILE* out, std::FILE* err)
      : command_(command), out_(out), err_(err) {}

  int Run() {
    if (const int failed = Load(); failed != ctl::kExitOk || command_.check) return failed;
    if (const int failed = Prepare(); failed != ctl::kExitOk) return failed;
    if (command_.dry_run) {
      fmt::print(out_, "{}", Format(plan_));
      return ctl::kExitOk;
    }
    if (const int failed = Agree(); failed != ctl::kExitOk) return failed;
    return Play();
  }

 private:
  int Complain(int code, const std::string& text) {
    fmt::print(err_, "seaward-chaos: {}\n", text);
    return code;
  }

  int Load() {
    auto scenario = LoadScenario(command_.scenario);
    if (!scenario) {
      fmt::print(err_, "{}", yaml::Render(scenario.error()));
      return ctl::kExitUsage;
    }
    scenario_ = std::move(*scenario);
    if (command_.check) return ctl::kExitOk;
    auto config = config::LoadNotifierConfig(command_.config);
    if (!config) {
      fmt::print(err_, "{}", yaml::Render(config.error()));
      return ctl::kExitUsage;
    }
    config_ = std::move(*config);
    if (!config_.libvirt.enabled)
      return Complain(ctl::kExitUsage,
                      command_.config + ": 'libvirt.uri' is none: there is no domain");
    return ctl::kExitOk;
  }

  int Prepare() {
    auto domain = DomainHandle::Open(config_.libvirt.uri, command_.vm);
    if (!domain)
      return Complain(
          domain.error().code == ErrorCode::kNotFound ? ctl::kExitUnknownVm : ctl::kExitFailed,
          domain.error().Text());
    domain_ = std::move(*domain);
    const auto bytes = domain_->MemoryBytes();
    if (!bytes) return Complain(ctl::kExitFailed, bytes.error().Text());
    const auto memory = MemoryFor(scenario_, *bytes);
    if (!memory) return Complain(ctl::kExitFailed, "the domain has no memory");
    auto plan = MakePlan(scenario_, command_.seed.value_or(RandomSeed()), *memory);
    if (!plan) return Complain(ctl::kExitFailed, plan.error().Text());
    plan_ = std::move(*plan);
    return ctl::kExitOk;
  }

  // The operator of the VM, by its mark, and whoever sits here.
  int Agree() {
    const auto element = domain_->Metadata(kChaosNamespace);
    if (!element) return Complain(ctl::kExitFailed, element.error().Text());
    if (const auto permitted = Permit(plan_, domain_->name(), *element); !permitted)
      return Complain(ctl::kExitFailed, permitted.error().context);
    const auto state = domain_->Look();
    if (!state) return Complain(ctl::kExitFailed, state.error().Text());
    if (!state->running || state->paused)
      return Complain(ctl::kExitFailed, fmt::format("'{}' does not run", domain_->name()));
    fmt::print(out_, "{}", Warning(plan_, domain_->name()));
    std::fflush(out_);
    if (command_.yes) return ctl::kExitOk;
    if (::isatty(STDIN_FILENO) == 0)
      return Complain(ctl::kExitUsage, "nobody to ask on a terminal; --yes goes on without");
    fmt::print(out_, "Type the VM's name to go on: ");
    std::fflush(out_);
    if (LineOfStdin() == domain_->name()) return ctl::kExitOk;
    return Complain(ctl::kExitFailed, "not the name: nothing was done");
  }

  int Play() {
    CatchSignals();
    RealWaiting waiting;
    LibvirtVictim victim(*domain_, waiting,
                         {.status_dir = config_.libvirt.status_dir,
                          .channel_name = config_.libvirt.channel_name,
                          .hard_offline_path = config_.hard_offline_path});
    ControlWitness witness(config_.control_socket, domain_->uuid(), command_.restart);
    Result<RunRecord> run = Fail(ErrorCode::kInvalid, "");
    {
      ProgressShow show(err_, ::isatty(::fileno(err_)) != 0, plan_.acts.size());
      const MonoTime began = waiting.Now();
      Runner runner(victim, witness, waiting, [&](const RunRecord& so_far, std::size_t act) {
        show.Show(so_far, act, std::chrono::duration_cast<milliseconds>(waiting.Now() - began));
      });
      run = runner.Play(plan_, scenario_.settle_limit,
                        {.scenario = command_.scenario.substr(command_.scenario.rfind('/') + 1),
                         .about = scenario_.about,
                         .vm = domain_->name(),
                         .vm_uuid = FormatUuid(domain_->uuid())});
    }
    if (!run) return Complain(ExitCodeOf(run.error()), run.error().Text());
    fmt::print(out_, "{}", TextReport(*run));
    if (!command_.report.empty()) {
      if (const auto saved = SaveReports(*run, command_.report); !saved)
        return Complain(ctl::kExitFailed, saved.error().Text());
      fmt::print(out_, "{}/report.html\n", command_.report);
    }
    return run->Passed() ? ctl::kExitOk : ctl::kExitFailed;
  }

  const Command& command_;
  std::FILE* const out_;
  std::FILE* const err_;
  Scenario scenario_;
  config::NotifierConfig config_;
  std::unique_ptr<DomainHandle> domain_;
  Plan plan_;
};

}  // namespace

int Run(const Command& command, std::FILE* out, std::FILE* err) {
  return Session(command, out, err).Run();
}

}  // namespace seaward::chaos
