// Hours of load on one notifier: the real process, real rings, guests without machines. Prints the
// figures beside their goals and writes them to FILE. Exit status: 0 all goals met, 1 a goal was
// missed or a step failed, 2 usage.
//
// Keys: docs/schemas/bench-soak.schema.json.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "base/descriptor_limit.h"
#include "tests/bench/scale/soak_run.h"
#include "tests/bench/scale/soak_vmm.h"

namespace seaward::bench {
namespace {

struct Goal {
  const char* figure;
  double at_most;
};
constexpr Goal kGoals[] = {{"descriptors_per_hour", 1}, {"pages_missing", 0}};
// Of what the notifier has when it has grown up.
constexpr double kMostGrowthPerHour = 0.01;

bool Check(const nlohmann::json& figures, const char* figure, double at_most) {
  const auto found = figures.find(figure);
  const bool met = found != figures.end() && found->get<double>() <= at_most;
  std::printf("goal: %s <= %g: %s\n", figure, at_most, met ? "met" : "MISSED");
  return met;
}

bool GoalsMet(const nlohmann::json& figures) {
  bool all = true;
  for (const Goal& goal : kGoals) all = Check(figures, goal.figure, goal.at_most) && all;
  const double most = kMostGrowthPerHour * figures.value("rss_first_kib", 0.0);
  return Check(figures, "rss_kib_per_hour", most) && all;
}

int Main(int argc, char** argv) {
  CLI::App app("Hours of load on one notifier");
  SoakPlan plan{.programs = SEAWARD_BINARY_DIR "/bin"};
  std::string file;
  SoakVmmPlan vmm;
  app.add_option("--vms", plan.vms, "VMs")->capture_default_str()->check(CLI::Range(2, 1000));
  app.add_option("--hours", plan.hours, "simulated hours")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 1000.0));
  app.add_option("--rate", plan.bursts_per_s, "bursts each second")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--seed", plan.seed, "of what happens by chance")->capture_default_str();
  app.add_option("--vmm", vmm.vm, "be the VMM of the VM with this UUID")->group("");
  app.add_option("--attach", vmm.attach_socket, "the notifier's socket for VMMs")->group("");
  app.add_option("--channel", vmm.channel, "where its guest's channel is")->group("");
  app.add_option("FILE", file, "JSON file that gets the figures");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (!vmm.vm.empty()) return RunSoakVmm(vmm);
  RaiseDescriptorLimit();
  const SystemClock clock;
  SoakRun run(plan, clock);
  const Status done = run.Measure();
  std::cout << run.figures().dump(2) << '\n';
  if (!done) std::cerr << "soak_bench: error: " << done.error().Text() << '\n';
  if (!file.empty() && !(std::ofstream(file) << run.figures().dump(2) << '\n')) {
    std::cerr << "soak_bench: error: cannot write " << file << '\n';
    return 1;
  }
  return GoalsMet(run.figures()) && done ? 0 : 1;
}

}  // namespace
}  // namespace seaward::bench

int main(int argc, char** argv) {
  return seaward::bench::Main(argc, argv);
}
