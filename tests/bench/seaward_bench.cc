// ./dev bench: first figures, everything that is compared measured in turn in the same run.
//
// 1. publish: what a vCPU pays for one exit, against message_queue::try_send (publish_bench).
// 2. one page: exit published -> verdict in the notifier, against a bare agent that does the least
//    there is (bare_agent.c), in the same guest, on free frames of the same list.
//
// Writes build/bench/report.json and build/bench/exposure.csv (every sample).
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "tests/bench/bare_probe.h"
#include "tests/bench/samples.h"
#include "tests/bench/seaward_probe.h"
#include "tests/support/notifier_host.h"
#include "tests/support/private_libvirtd.h"
#include "tests/support/tcg_guest.h"

namespace seaward::bench {
namespace {

using nlohmann::json;
using testing::HostPlan;
using testing::NotifierHost;
using testing::PrivateLibvirtd;
using testing::TcgGuest;

constexpr unsigned kRounds = 200;
// "Memory failure: ..." lines on an emulated serial console make bulk retirement five times slower.
constexpr unsigned kLoglevel = 1;
constexpr auto kPublishLimit = std::chrono::minutes(5);  // seconds on a free machine
constexpr const char* kBarePort = "org.seaward.bare.0";
constexpr std::uint32_t kShuffleSeed = 20;
const std::string kFolder = std::string(SEAWARD_SOURCE_DIR) + "/build/bench";

struct Exposure {
  std::vector<std::chrono::nanoseconds> raw;
  std::vector<std::chrono::nanoseconds> seaward;
  unsigned refused = 0;  // frames that were in use by the time they were written
};

// 2 * kRounds frames that are free now, far enough apart not to share a buddy block's split.
Result<std::vector<GuestPhysAddr>> FreeFrames(TcgGuest& guest) {
  std::vector<GuestPhysAddr> frames;
  while (frames.size() < 2 * kRounds) {
    auto page = guest.PickFreePage();
    if (!page) return Forward(page);
    frames.push_back(*page);
  }
  std::shuffle(frames.begin(), frames.end(), std::mt19937(kShuffleSeed));
  return frames;
}

Result<Exposure> MeasureExposure(TcgGuest& guest, BareProbe& bare, SeawardProbe& seaward) {
  auto frames = FreeFrames(guest);
  if (!frames) return Forward(frames);
  Exposure samples;
  for (std::size_t i = 0; i < frames->size(); ++i) {
    const bool raw = i % 2 == 0;
    auto took = raw ? bare.Retire((*frames)[i]) : seaward.Retire((*frames)[i]);
    if (!took && took.error().code != ErrorCode::kBusy) return Forward(took);
    if (!took) ++samples.refused;
    if (took) (raw ? samples.raw : samples.seaward).push_back(*took);
  }
  return samples;
}

Result<Exposure> RunExposure(json& report) {
  auto images = testing::FindGuestImages();
  if (!images) return Forward(images);
  auto libvirtd = PrivateLibvirtd::Start();
  if (!libvirtd) return Forward(libvirtd);
  const testing::GuestPlan plan{.name = "bench",
                                .uuid = ParseUuid("5ea3a4d0-0000-4000-8000-00000000be9c").value(),
                                .memory_mib = 512,
                                .loglevel = kLoglevel,
                                .more_ports = {kBarePort}};
  auto guest = TcgGuest::Start(**libvirtd, *images, plan);
  if (!guest) return Forward(guest);
  NotifierHost host(HostPlan{.vm = plan.uuid,
                             .vm_name = plan.name,
                             .channel = (*guest)->channel_path(),
                             .log_level = "warning"});
  if (auto up = host.StartNotifier(); !up) return Forward(up);
  auto started = (*guest)->shell().Ask("spawn", {{"argv", {"/usr/sbin/bare-agent"}}});
  if (!started) return Forward(started);
  const SystemClock clock;
  auto bare = BareProbe::Connect((*guest)->port_path(kBarePort), clock);
  if (!bare) return Forward(bare);
  auto seaward = SeawardProbe::Attach(host.folder() / "attach.sock", host.folder() / "control.sock",
                                      plan.uuid, clock);
  if (!seaward) return Forward(seaward);
  report["guest_kernel"] = images->kernel_version;
  report["guest_loglevel"] = kLoglevel;
  return MeasureExposure(**guest, *bare, *seaward);
}

void WriteSamples(const Exposure& samples) {
  std::ofstream csv(kFolder + "/exposure.csv");
  csv << "method,nanoseconds\n";
  for (const auto took : samples.raw) csv << "raw," << took.count() << '\n';
  for (const auto took : samples.seaward) csv << "seaward," << took.count() << '\n';
}

void AddExposure(json& report, const Exposure& samples) {
  report["n"] = samples.seaward.size();
  report["raw_n"] = samples.raw.size();
  report["refused"] = samples.refused;
  report["raw_us_p50"] = QuantileUs(samples.raw, 0.5);
  report["raw_us_p99"] = QuantileUs(samples.raw, 0.99);
  report["seaward_us_p50"] = QuantileUs(samples.seaward, 0.5);
  report["seaward_us_p99"] = QuantileUs(samples.seaward, 0.99);
  report["seaward_to_raw"] = QuantileUs(samples.seaward, 0.5) / QuantileUs(samples.raw, 0.5);
}

// The median of publish_bench's case `name`; kNotFound when it did not run.
Result<double> MedianOf(const json& results, const std::string& name) {
  for (const json& row : results["benchmarks"]) {
    if (row["name"].get<std::string>().starts_with(name + "/") &&
        row.value("aggregate_name", "") == "median") {
      return row["p50"].get<double>();
    }
  }
  return Fail(ErrorCode::kNotFound, "publish_bench did not run " + name);
}

Status AddPublish(json& report) {
  auto ran = testing::RunToEnd(
      {testing::HostBinDir() + "/publish_bench", "--benchmark_format=json"}, kPublishLimit);
  if (!ran) return Forward(ran);
  if (ran->end.exit_code != 0) return Fail(ErrorCode::kIo, "publish_bench: " + ran->err);
  const json results = json::parse(ran->out, nullptr, false);
  if (results.is_discarded()) return Fail(ErrorCode::kCorrupt, "publish_bench printed no JSON");
  const std::pair<const char*, const char*> wanted[] = {
      {"publish_ns", "ring/burst/absent"},
      {"mq_publish_ns", "message_queue/burst/absent"},
      {"publish_paced_ns", "ring/paced/absent"},
      {"mq_publish_paced_ns", "message_queue/paced/absent"},
      {"publish_wake_ns", "ring/paced/blocked"},
      {"mq_publish_wake_ns", "message_queue/paced/blocked"}};
  for (const auto& [key, name] : wanted) {
    auto median = MedianOf(results, name);
    if (!median) return Forward(median);
    report[key] = *median;
  }
  return {};
}

int Main() {
  std::filesystem::create_directories(kFolder);
  json report{{"unit_note", "times carry their unit in the key; ratios are of medians"}};
  auto samples = RunExposure(report);
  if (!samples || samples->raw.empty() || samples->seaward.empty()) {
    std::cerr << "seaward-bench: error: "
              << (samples ? "no page was retired" : samples.error().Text()) << '\n';
    return 1;
  }
  WriteSamples(*samples);
  AddExposure(report, *samples);
  if (auto published = AddPublish(report); !published) {
    std::cerr << "seaward-bench: error: " << published.error().Text() << '\n';
    return 1;
  }
  std::ofstream(kFolder + "/report.json") << report.dump(2) << '\n';
  std::cout << report.dump(2) << '\n';
  return 0;
}

}  // namespace
}  // namespace seaward::bench

int main() {
  return seaward::bench::Main();
}
