#include "tests/chaos/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <regex>

#include "base/file_io.h"
#include "tests/chaos/actor.h"
#include "tests/chaos/inspector.h"

namespace seaward::chaos {
namespace {

// Between two answers: a page is retired in milliseconds, a session stands within seconds, a resend
// comes two seconds after the last. The rest is for a machine that others use.
constexpr std::chrono::seconds kPatience{40};

class Player {
 public:
  Player(Machines& machines, Tally& tally)
      : machines_(machines),
        tally_(tally),
        actor_(machines, book_, tally),
        inspector_(machines, book_, tally, kPatience) {}

  std::optional<Violation> Play(const Step& step) {
    if (step.kind == StepKind::kSettle) {
      const bool thorough = step.chance % 4 == 0;
      const auto depth = thorough ? Inspector::Depth::kThorough : Inspector::Depth::kQuick;
      auto found = inspector_.Settle(depth);
      if (!found || !GuestLostItsPrograms()) return found;
      // What an operator would do; the bad pages are then retired before most programs have them.
      std::printf("  (the guest lost its programs: reset)\n");
      if (const auto again = Do({StepKind::kReset, 0})) return again;
      found = inspector_.Settle(depth);
      guest_unusable_ = found && GuestLostItsPrograms();
      if (!guest_unusable_) return found;
      std::printf("  (and again: no boot of it can be judged)\n");
      ++tally_.unusable;
      return inspector_.SettleWithoutGuest();
    }
    return Do(step);
  }

  // No further step makes sense.
  bool guest_unusable() const { return guest_unusable_; }

  // What notifier and guest said last.
  std::string Evidence() {
    constexpr std::size_t kTail = 2000;
    const std::string console = Console();
    return machines_.host().Logs() + "\n--- console of the guest\n" +
           console.substr(console.size() - std::min(console.size(), kTail));
  }

 private:
  std::optional<Violation> Do(const Step& step) {
    const Status done = actor_.Do(step);
    if (done) return std::nullopt;
    return Violation{"machines",
                     std::string(TraitsOf(step.kind).name) + ": " + done.error().Text()};
  }

  // These guests have their files in memory and nowhere else: a bad page of a program that was
  // not retired before init (no host answered the early stage) cannot be read again from a disk,
  // and what runs it is lost until the next boot. So is a page of init's own. The initramfs lies in
  // much the same place at each boot: with a hundred bad pages the next may fare no better.
  bool GuestLostItsPrograms() {
    const std::string console = Console();
    const auto boot = console.rfind("event=early_stage ");
    const std::string this_boot = boot == std::string::npos ? console : console.substr(boot);
    const std::regex lost("event=page_lost [^\n]*pid=1 |event=early_stage exit=(-|[1-9])");
    if (std::regex_search(this_boot, lost)) return true;
    if (AgentDiedOfItsMemory()) return true;
    const auto ran =
        machines_.AskGuest("exec", {{"argv", {"/usr/sbin/seaward-agent", "--version"}}});
    return !ran || (*ran)["exit"] != 0;
  }

  // It begins anew where it can; not where the page is what it begins with. A service manager would
  // start it again.
  bool AgentDiedOfItsMemory() {
    const auto pid = machines_.AgentPid();
    if (!pid) return true;
    const auto stat = machines_.AskGuest("read", {{"path", fmt::format("/proc/{}/stat", *pid)}});
    if (!stat) return true;
    const std::string line = (*stat)["text"];
    constexpr int kSignalBits = 0x7f;  // of the exit status, which is the last field (proc(5))
    return (std::stoi(line.substr(line.rfind(' ') + 1)) & kSignalBits) == SIGBUS;
  }

  std::string Console() const {
    return ReadTextFile(machines_.console_path(), 64U << 20).value_or("");
  }

  Machines& machines_;
  Tally& tally_;
  Book book_;
  Actor actor_;
  Inspector inspector_;
  bool guest_unusable_ = false;
};

// A page that goes bad and is retired: everything is connected, and what our processes use then is
// what they are held to.
constexpr Step kWarmUp[] = {{StepKind::kPoisonFree, 1}, {StepKind::kSettle, 1}};
constexpr Step kLast{StepKind::kSettle, 0};  // a thorough one

}  // namespace

std::optional<Violation> Play(const Schedule& schedule, const testing::GuestImages& images,
                              Tally& tally) {
  auto machines = Machines::Start(images, schedule.world);
  if (!machines) return Violation{"machines", machines.error().Text()};
  Player player(**machines, tally);
  std::vector<Step> steps(std::begin(kWarmUp), std::end(kWarmUp));
  steps.insert(steps.end(), schedule.steps.begin(), schedule.steps.end());
  steps.push_back(kLast);
  for (const Step& step : steps) {
    std::printf("  %s\n", Format(step).c_str());
    std::fflush(stdout);
    auto found = player.Play(step);
    if (!found && player.guest_unusable()) return std::nullopt;
    if (!found) continue;
    std::printf("VIOLATION %s: %s\n%s\n", found->invariant.c_str(), found->what.c_str(),
                player.Evidence().c_str());
    return found;
  }
  return std::nullopt;
}

}  // namespace seaward::chaos
