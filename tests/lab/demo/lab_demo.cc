// lab-demo [--work DIR] [--seed N] [--without-control]: the story of one bad page, on real exits of
// a stock kernel, on one screen; and the same without Seaward. Everything it shows is left in the
// work folder (build/demo) as raw files, from which tests/lab/derive-report makes report.json.
//
// Exit status: 0 the story held; 1 it did not, or no real exit was seen; 2 usage; 77 no kernel
// >= 6.19 obtainable.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <random>

#include "base/file_io.h"
#include "tests/lab/story/host_scenes.h"
#include "tests/support/child_process.h"

namespace seaward::lab {
namespace {

constexpr int kNotObtainable = 77;

struct Options {
  std::string work = SEAWARD_SOURCE_DIR "/build/demo";
  std::uint64_t seed = std::random_device{}();
  bool without_control = false;
};

// A fact that the story needs; said when it does not hold.
class Judge {
 public:
  explicit Judge(Narrator& narrator) : narrator_(narrator) {}
  void Demand(bool holds, const std::string& what) {
    if (holds) return;
    good_ = false;
    narrator_.Say("NOT AS IT SHOULD BE: " + what);
  }
  bool good() const { return good_; }

 private:
  Narrator& narrator_;
  bool good_ = true;
};

Status ShowConsumption(Lab& lab, const SurveyedGuest& guarded, Judge& judge) {
  lab.narrator().Chapter("With Seaward: a page goes bad");
  NestedGuest& guest = *guarded.guest;
  auto consumed = ConsumePoison(lab, guest, guarded.victim);
  if (!consumed) return Forward(consumed);
  judge.Demand(consumed->victim_signal == 7, "the process dies of SIGBUS");
  judge.Demand(consumed->kernel_alive, "the guest's kernel lives");
  judge.Demand(consumed->aborts > 0, "the host's kernel saw an external abort");
  if (auto retired = WaitRetired(lab, guest); !retired) return retired;
  auto handout = TakeAllMemory(lab, guest, lab.frame());
  if (!handout) return Forward(handout);
  judge.Demand(!handout->bad_frame_given, "nobody is given the bad page");
  return {};
}

Status ShowNextBoots(Lab& lab, NestedGuest& guest, Judge& judge) {
  lab.narrator().Chapter("With Seaward: the guest boots again, the page is still bad");
  for (BootOrder order : {BootOrder::kReset, BootOrder::kRebootFromInside}) {
    auto boot = BootAgain(lab, guest, lab.frame(), order);
    if (!boot) return Forward(boot);
    judge.Demand(boot->up, "the guest comes up again");
    judge.Demand(boot->early_stage_ran, "the page is retired before init");
    judge.Demand(boot->workload.pages > 0, "the new boot can use its memory");
    judge.Demand(!boot->workload.bad_frame_given, "nobody is given the bad page");
    judge.Demand(boot->aborts == 0, "nobody touches the page in the new boot");
  }
  auto corrupted = CorruptedInHost(lab);
  if (!corrupted) return Forward(corrupted);
  if (auto gone = guest.Destroy(); !gone) return gone;
  return WaitRetiredInHost(lab, *corrupted);
}

Status ShowControl(Lab& lab, const SurveyedGuest& control, Judge& judge) {
  constexpr std::uint64_t kPanics = 2;  // of use, and in the boot after it
  lab.narrator().Chapter("Without Seaward's agent, nothing else changed");
  if (auto healed = lab.poison().Heal(lab.frame()); !healed) return healed;
  NestedGuest& guest = *control.guest;
  if (auto resumed = guest.Resume(); !resumed) return resumed;
  auto consumed = ConsumePoison(lab, guest, control.victim);
  if (!consumed) return Forward(consumed);
  auto downfall = WatchDownfall(lab, guest, kPanics);
  if (!downfall) return Forward(downfall);
  lab.narrator().Say(
      fmt::format("the guest without an agent: {}, {} panics, {} of them in "
                  "clear_page",
                  downfall->outcome, downfall->panics, downfall->in_clear_page));
  judge.Demand(downfall->outcome != "none", "without the agent the bad page comes back");
  return guest.Destroy();
}

Status WriteReport(Lab& lab, const Options& options) {
  auto derived = testing::RunToEnd({SEAWARD_SOURCE_DIR "/tests/lab/derive-report", options.work},
                                   std::chrono::minutes(1));
  if (!derived) return Forward(derived);
  std::fputs(("\n" + derived->out + derived->err).c_str(), stdout);
  lab.narrator().Say("report: " + options.work + "/report.json");
  if (derived->end.exit_code != 0) return Fail(ErrorCode::kIo, "the report shows no real exit");
  return {};
}

Status Tell(Lab& lab, const Options& options, Judge& judge) {
  if (auto surveyed = lab.SurveyFrames(options.seed); !surveyed) return surveyed;
  const auto guarded = lab.TakeGuarded();
  if (auto shown = ShowConsumption(lab, guarded, judge); !shown) return shown;
  if (auto shown = ShowNextBoots(lab, *guarded.guest, judge); !shown) return shown;
  const auto control = lab.TakeControl();
  if (!options.without_control)
    if (auto shown = ShowControl(lab, control, judge); !shown) return shown;
  lab.narrator().Chapter("What remains");
  return lab.Finish();
}

int Run(const Options& options) {
  auto lab = Lab::Start(options.work, stdout);
  if (!lab) {
    std::fputs(("lab-demo: " + lab.error().Text() + "\n").c_str(), stderr);
    return lab.error().code == ErrorCode::kUnsupported ? kNotObtainable : 1;
  }
  Judge judge((*lab)->narrator());
  if (auto told = Tell(**lab, options, judge); !told) {
    judge.Demand(false, told.error().Text());
    (void)(*lab)->Finish();  // leaves what there is for those who look for the reason
  }
  if (auto written = WriteReport(**lab, options); !written)
    judge.Demand(false, written.error().Text());
  return judge.good() ? 0 : 1;
}

}  // namespace
}  // namespace seaward::lab

int main(int argc, char** argv) {
  seaward::lab::Options options;
  CLI::App app("One bad page, with Seaward and without, on real exits of a stock kernel.");
  app.add_option("--work", options.work, "folder for everything that is left behind");
  app.add_option("--seed", options.seed, "chooses the frame; random when not given");
  app.add_flag("--without-control", options.without_control, "leave the unguarded guest out");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return seaward::lab::Run(options);
}
