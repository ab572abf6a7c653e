#include "tests/chaos/run.h"

#include <algorithm>
#include <cstdio>

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
        actor_(machines, book_, tally),
        inspector_(machines, book_, tally, kPatience) {}

  std::optional<Violation> Play(const Step& step) {
    if (step.kind == StepKind::kSettle) {
      const bool thorough = step.chance % 4 == 0;
      return inspector_.Settle(thorough ? Inspector::Depth::kThorough : Inspector::Depth::kQuick);
    }
    const Status done = actor_.Do(step);
    if (done) return std::nullopt;
    return Violation{"machines",
                     std::string(TraitsOf(step.kind).name) + ": " + done.error().Text()};
  }

  // What notifier and guest said last.
  std::string Evidence() {
    constexpr std::size_t kTail = 2000;
    const std::string console = ReadTextFile(machines_.console_path(), 64U << 20).value_or("");
    return machines_.host().Logs() + "\n--- console of the guest\n" +
           console.substr(console.size() - std::min(console.size(), kTail));
  }

 private:
  Machines& machines_;
  Book book_;
  Actor actor_;
  Inspector inspector_;
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
    if (!found) continue;
    std::printf("VIOLATION %s: %s\n%s\n", found->invariant.c_str(), found->what.c_str(),
                player.Evidence().c_str());
    return found;
  }
  return std::nullopt;
}

}  // namespace seaward::chaos
