// ./dev bench: first figures, everything that is compared measured in turn in the same run.
//
// 1. publish: what a vCPU pays for one exit, against message_queue::try_send (publish_bench).
// 2. exposure, in one guest and in turn, on free frames of one list:
//    one page: exit published -> verdict in the notifier, against a bare agent that does the least
//    there is (bare_agent.c), and against three ways to do it by qemu-guest-agent through libvirt;
//    100 pages: all at once, against the bare agent's and a shell's loop;
//    one page while the guest's processor is busy, with and without SCHED_FIFO for either agent.
//
// Writes build/bench/report.json and build/bench/exposure.csv (every sample).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "tests/bench/bare_probe.h"
#include "tests/bench/bench_guest.h"
#include "tests/bench/free_frames.h"
#include "tests/bench/qemu_agent_probe.h"
#include "tests/bench/samples.h"
#include "tests/bench/seaward_probe.h"
#include "tests/support/notifier_host.h"
#include "tests/support/private_libvirtd.h"
#include "tests/support/tcg_guest.h"
#include "tests/support/virtio_port.h"

namespace seaward::bench {
namespace {

using nlohmann::json;
using testing::HostPlan;
using testing::NotifierHost;
using testing::PrivateLibvirtd;
using testing::TcgGuest;

constexpr unsigned kRounds = 200;
constexpr auto kPublishLimit = std::chrono::minutes(5);  // seconds on a free machine
constexpr const char* kQgaPort = "org.qemu.guest_agent.0";
constexpr std::uint32_t kShuffleSeed = 20;
const std::string kFolder = std::string(SEAWARD_SOURCE_DIR) + "/build/bench";

// What is compared; the names stand in exposure.csv.
enum class Way { kBare, kSeaward, kQgaWrite, kQgaKept, kQgaExec };
constexpr std::array kWays = {Way::kBare, Way::kSeaward, Way::kQgaWrite, Way::kQgaKept,
                              Way::kQgaExec};
constexpr const char* kWayNames[] = {"raw", "seaward", "qga_write", "qga_kept", "qga_exec"};
// qemu-guest-agent takes ten to a hundred times as long: it is asked in each fourth round.
constexpr unsigned kQgaEvery = 4;
constexpr unsigned kBurstPages = 100;
constexpr unsigned kBursts = 7;
constexpr unsigned kBusyRounds = 100;

using Samples = std::vector<std::chrono::nanoseconds>;

// Everything that was measured, by name: what WriteSamples writes.
class Exposure {
 public:
  explicit Exposure(std::vector<GuestPhysAddr> frames) : frames_(std::move(frames)) {}

  // A frame that nobody was given yet.
  GuestPhysAddr NextFrame() { return frames_.at(used_++); }
  std::vector<GuestPhysAddr> NextFrames(std::size_t count) {
    std::vector<GuestPhysAddr> some;
    for (std::size_t i = 0; i < count; ++i) some.push_back(NextFrame());
    return some;
  }
  // An error but for kBusy, a frame that was in use by the time it was written.
  Status Take(const std::string& name, Result<std::chrono::nanoseconds> took) {
    if (!took && took.error().code != ErrorCode::kBusy) return Forward(took);
    if (took) samples_[name].push_back(*took);
    if (!took) ++refused_;
    return {};
  }
  const std::map<std::string, Samples>& samples() const { return samples_; }
  unsigned refused() const { return refused_; }

 private:
  std::vector<GuestPhysAddr> frames_;
  std::size_t used_ = 0;
  std::map<std::string, Samples> samples_;
  unsigned refused_ = 0;
};

struct Probes {
  BareProbe bare;
  SeawardProbe seaward;
  QemuAgentProbe qga;

  Result<std::chrono::nanoseconds> Retire(Way way, GuestPhysAddr page) {
    switch (way) {
      case Way::kBare:
        return bare.Retire(page);
      case Way::kSeaward:
        return seaward.Retire(page);
      case Way::kQgaWrite:
        return qga.ByFile(page);
      case Way::kQgaKept:
        return qga.ByKeptHandle(page);
      case Way::kQgaExec:
        return qga.ByExec(page);
    }
    return Fail(ErrorCode::kInvalid, "no such way");
  }
};

// The order changes from round to round.
Status MeasureOnePage(Probes& probes, Exposure& exposure) {
  std::mt19937 chance(kShuffleSeed);
  auto order = kWays;
  for (unsigned round = 0; round < kRounds; ++round) {
    std::shuffle(order.begin(), order.end(), chance);
    for (const Way way : order) {
      const bool often = way == Way::kBare || way == Way::kSeaward;
      if (!often && round % kQgaEvery != 0) continue;
      const auto took = probes.Retire(way, exposure.NextFrame());
      if (auto taken = exposure.Take(kWayNames[static_cast<std::size_t>(way)], took); !taken)
        return taken;
    }
  }
  return {};
}

Status MeasureBursts(Probes& probes, Exposure& exposure) {
  for (unsigned round = 0; round < kBursts; ++round) {
    auto took = probes.bare.RetireAll(exposure.NextFrames(kBurstPages));
    if (auto taken = exposure.Take("raw_burst100", took); !taken) return taken;
    took = probes.seaward.RetireAll(exposure.NextFrames(kBurstPages));
    if (auto taken = exposure.Take("seaward_burst100", took); !taken) return taken;
    took = probes.qga.ByLoop(exposure.NextFrames(kBurstPages));
    if (auto taken = exposure.Take("qga_loop100", took); !taken) return taken;
  }
  return {};
}

Status SetFifo(TcgGuest& guest, int pid) {
  auto set = guest.shell().Ask(
      "exec", {{"argv", {"/usr/sbin/chrt", "-f", "-p", "50", std::to_string(pid)}}});
  if (!set) return Forward(set);
  if ((*set)["exit"] != 0) return Fail(ErrorCode::kIo, "chrt: " + set->dump());
  return {};
}

Status MeasureBusy(TcgGuest& guest, int bare_pid, Probes& probes, Exposure& exposure) {
  auto busy = guest.shell().Ask("spawn", {{"argv", {"/bin/sh", "-c", "while :; do :; done"}}});
  if (!busy) return Forward(busy);
  auto status = guest.shell().Ask("status");
  if (!status) return Forward(status);
  for (const std::string kind : {"_busy", "_busy_fifo"}) {
    if (kind == "_busy_fifo")
      for (const int pid : {bare_pid, (*status)["agent_pid"].get<int>()})
        if (auto set = SetFifo(guest, pid); !set) return set;
    for (unsigned round = 0; round < kBusyRounds; ++round) {
      for (const Way way : {Way::kBare, Way::kSeaward}) {
        const auto took = probes.Retire(way, exposure.NextFrame());
        if (auto taken = exposure.Take(kWayNames[static_cast<std::size_t>(way)] + kind, took);
            !taken)
          return taken;
      }
    }
  }
  (void)guest.shell().Ask("kill", {{"pid", (*busy)["pid"]}});
  return {};
}

// The guest's programs that are measured against; the pid of bare-agent.
Result<int> StartOthers(TcgGuest& guest) {
  auto bare = guest.shell().Ask("spawn", {{"argv", {"/usr/sbin/bare-agent"}}});
  if (!bare) return Forward(bare);
  auto port = testing::PortNode(guest.shell(), kQgaPort);
  if (!port) return Forward(port);
  auto qga = guest.shell().Ask(
      "spawn", {{"argv", {"/usr/sbin/qemu-ga", "-m", "virtio-serial", "-p", *port, "-t", "/run"}},
                {"output", "/run/qemu-ga.log"}});
  if (!qga) return Forward(qga);
  return (*bare)["pid"].get<int>();
}

Result<Exposure> RunExposure(json& report) {
  auto images = testing::FindGuestImages(testing::TestKernel::kBesideQemuGa);
  if (!images) return Forward(images);
  auto libvirtd = PrivateLibvirtd::Start();
  if (!libvirtd) return Forward(libvirtd);
  const testing::GuestPlan plan{.name = "bench",
                                .uuid = ParseUuid("5ea3a4d0-0000-4000-8000-00000000be9c").value(),
                                .memory_mib = 512,
                                .cpu = kBenchCpu,
                                .loglevel = kLoglevel,
                                .more_ports = {kBarePort, kQgaPort}};
  auto guest = TcgGuest::Start(**libvirtd, *images, plan);
  if (!guest) return Forward(guest);
  NotifierHost host(HostPlan{.vm = plan.uuid,
                             .vm_name = plan.name,
                             .channel = (*guest)->channel_path(),
                             .log_level = "warning"});
  if (auto up = host.StartNotifier(); !up) return Forward(up);
  auto bare_pid = StartOthers(**guest);
  if (!bare_pid) return Forward(bare_pid);
  const SystemClock clock;
  auto bare = BareProbe::Connect((*guest)->port_path(kBarePort), clock);
  if (!bare) return Forward(bare);
  auto seaward = SeawardProbe::Attach(host.folder() / "attach.sock", host.folder() / "control.sock",
                                      plan.uuid, clock);
  if (!seaward) return Forward(seaward);
  auto qga = QemuAgentProbe::Connect((*libvirtd)->uri(), plan.name, clock);
  if (!qga) return Forward(qga);
  report["guest_kernel"] = images->kernel_version;
  report["guest_loglevel"] = kLoglevel;
  auto frames = ShuffledFrames(
      **guest, 5 * kRounds + 3 * kBursts * kBurstPages + std::size_t{4} * kBusyRounds);
  if (!frames) return Forward(frames);
  Exposure exposure(std::move(*frames));
  Probes probes{std::move(*bare), std::move(*seaward), std::move(*qga)};
  if (auto done = MeasureOnePage(probes, exposure); !done) return Forward(done);
  if (auto done = MeasureBursts(probes, exposure); !done) return Forward(done);
  if (auto done = MeasureBusy(**guest, *bare_pid, probes, exposure); !done) return Forward(done);
  return exposure;
}

void WriteSamples(const Exposure& exposure) {
  std::ofstream csv(kFolder + "/exposure.csv");
  csv << "method,nanoseconds\n";
  for (const auto& [name, samples] : exposure.samples())
    for (const auto took : samples) csv << name << ',' << took.count() << '\n';
}

// Keys and the samples they are of; an error when there is none.
Status AddExposure(json& report, const Exposure& exposure) {
  const struct {
    const char* key;
    const char* samples;
    double quantile;
  } wanted[] = {{"raw_us_p50", "raw", 0.5},
                {"raw_us_p99", "raw", 0.99},
                {"seaward_us_p50", "seaward", 0.5},
                {"seaward_us_p99", "seaward", 0.99},
                {"qga_write_us_p50", "qga_write", 0.5},
                {"qga_kept_us_p50", "qga_kept", 0.5},
                {"qga_exec_us_p50", "qga_exec", 0.5},
                {"burst100_us", "seaward_burst100", 0.5},
                {"bare_burst100_us", "raw_burst100", 0.5},
                {"qga_loop100_us", "qga_loop100", 0.5},
                {"busy_us_p50", "seaward_busy", 0.5},
                {"busy_us_p99", "seaward_busy", 0.99},
                {"bare_busy_us_p50", "raw_busy", 0.5},
                {"bare_busy_us_p99", "raw_busy", 0.99},
                {"busy_fifo_us_p50", "seaward_busy_fifo", 0.5},
                {"busy_fifo_us_p99", "seaward_busy_fifo", 0.99},
                {"bare_busy_fifo_us_p50", "raw_busy_fifo", 0.5},
                {"bare_busy_fifo_us_p99", "raw_busy_fifo", 0.99}};
  for (const auto& [key, name, quantile] : wanted) {
    const auto found = exposure.samples().find(name);
    if (found == exposure.samples().end())
      return Fail(ErrorCode::kIo, std::string("no page was retired: ") + name);
    report[key] = QuantileUs(found->second, quantile);
  }
  report["n"] = exposure.samples().at("seaward").size();
  report["raw_n"] = exposure.samples().at("raw").size();
  report["qga_n"] = exposure.samples().at("qga_write").size();
  report["refused"] = exposure.refused();
  report["seaward_to_raw"] =
      report["seaward_us_p50"].get<double>() / report["raw_us_p50"].get<double>();
  return {};
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
      {testing::HostBinDir() + "/publish_bench", "--benchmark_format=json",
       "--benchmark_filter=^(ring|message_queue)/(burst/absent|paced/absent|paced/blocked)"},
      kPublishLimit);
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

Status MeasureAll(json& report) {
  auto exposure = RunExposure(report);
  if (!exposure) return Forward(exposure);
  WriteSamples(*exposure);
  if (auto added = AddExposure(report, *exposure); !added) return added;
  return AddPublish(report);
}

int Main() {
  std::filesystem::create_directories(kFolder);
  json report{{"unit_note", "times carry their unit in the key; ratios are of medians"}};
  if (auto measured = MeasureAll(report); !measured) {
    std::cerr << "seaward-bench: error: " << measured.error().Text() << '\n';
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
