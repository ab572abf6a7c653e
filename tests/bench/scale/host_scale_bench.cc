// Many VMs on one notifier: the real process, the agent's real session code, real rings. Prints the
// figures beside their goals and merges them into FILE. Exit status: 0 all goals met, 1 a goal was
// missed or a step failed, 2 usage.
//
// Keys: docs/schemas/bench-host.schema.json.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "base/descriptor_limit.h"
#include "tests/bench/scale/scale_run.h"

namespace seaward::bench {
namespace {

struct Goal {
  const char* figure;
  double below;
};
// Of 1,000 VMs with 100 pages each, on two cores.
constexpr Goal kGoals[] = {{"sync_all_s", 5}, {"rss_per_vm_kib", 64}, {"idle_cpu_pct", 1}};

// All of them wait in one vCPU's lane at once, with one more on top.
constexpr int kMostPages = 127;

bool GoalsMet(const nlohmann::json& figures) {
  bool all = true;
  for (const Goal& goal : kGoals) {
    const auto figure = figures.find(goal.figure);
    const bool met = figure != figures.end() && figure->get<double>() < goal.below;
    std::printf("goal: %s < %g: %s\n", goal.figure, goal.below, met ? "met" : "MISSED");
    all = all && met;
  }
  return all;
}

// What other programs wrote there stays.
bool MergeInto(const std::string& path, const nlohmann::json& figures) {
  nlohmann::json all = nlohmann::json::object();
  if (std::ifstream before(path); before) {
    const auto parsed = nlohmann::json::parse(before, nullptr, false);
    if (parsed.is_object()) all = parsed;
  }
  all.update(figures);
  std::ofstream out(path);
  out << all.dump(2) << '\n';
  return static_cast<bool>(out.flush());
}

int Main(int argc, char** argv) {
  CLI::App app("Many VMs on one notifier");
  ScalePlan plan{.programs = SEAWARD_BINARY_DIR "/bin"};
  std::string file;
  std::size_t idle = 20;
  app.add_option("--vms", plan.vms, "VMs")->capture_default_str()->check(CLI::Range(1, 4000));
  app.add_option("--pages", plan.pages_per_vm, "bad pages of each VM")
      ->capture_default_str()
      ->check(CLI::Range(1, kMostPages));
  app.add_option("--idle", idle, "seconds of rest")
      ->capture_default_str()
      ->check(CLI::Range(10, 600));
  app.add_option("FILE", file, "JSON file that gets the figures");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  plan.idle = std::chrono::seconds(idle);
  RaiseDescriptorLimit();  // sockets and rings of all VMs are in this one process
  const SystemClock clock;
  ScaleRun run(plan, clock);
  const Status done = run.Measure();
  std::cout << run.figures().dump(2) << '\n';
  if (!done) std::cerr << "host_scale_bench: error: " << done.error().Text() << '\n';
  if (!file.empty() && !MergeInto(file, run.figures())) {
    std::cerr << "host_scale_bench: error: cannot write " << file << '\n';
    return 1;
  }
  return GoalsMet(run.figures()) && done ? 0 : 1;
}

}  // namespace
}  // namespace seaward::bench

int main(int argc, char** argv) {
  return seaward::bench::Main(argc, argv);
}
