// What retiring costs a guest, against the least there is; both measured in turn in one run.
//
// 1. one page: frame sent -> verdict there, against a bare agent that reads, writes to
//    hard_offline_page and replies (bare_agent.c). Same guest, same kind of channel, free frames.
// 2. boots: how long the early stage holds one up, with a host that has nothing to say, without a
//    port, and with 1000 pages to replay; against a bare loop of 1000 writes in the same boots.
//
// Prints figures, and appends them to $SEAWARD_FIGURES.
#include <fmt/format.h>

#include <iostream>
#include <regex>

#include "base/file_io.h"
#include "tests/bench/agent_probe.h"
#include "tests/bench/bare_probe.h"
#include "tests/bench/bench_guest.h"
#include "tests/bench/free_frames.h"
#include "tests/bench/samples.h"
#include "tests/guest/figures.h"
#include "tests/support/notifier_host.h"
#include "tests/support/private_libvirtd.h"
#include "tests/support/tcg_guest.h"
#include "tests/support/wait_until.h"

namespace seaward::bench {
namespace {

using testing::Figure;
using testing::GuestPlan;
using testing::HostPlan;
using testing::NotifierHost;
using testing::PrivateLibvirtd;
using testing::TcgGuest;
using Samples = std::vector<std::chrono::nanoseconds>;

constexpr unsigned kRounds = 200;
constexpr unsigned kBoots = 3;
constexpr std::size_t kReplayed = 1000;
constexpr unsigned kMemoryMib = 512;
constexpr std::chrono::seconds kPatience{300};
constexpr double kGoal = 1.2;
const Uuid kVm = ParseUuid("5ea3a4d0-0000-4000-8000-00000000be9d").value();

double MedianMs(const Samples& samples) {
  return QuantileUs(samples, 0.5) / 1000;
}

// False: the goal was missed.
Result<bool> MeasureOnePage(PrivateLibvirtd& libvirtd, const testing::GuestImages& images) {
  const GuestPlan plan{.name = "page",
                       .uuid = kVm,
                       .memory_mib = kMemoryMib,
                       .cpu = kBenchCpu,
                       .early = false,
                       .loglevel = kLoglevel,
                       .more_ports = {kBarePort}};
  auto guest = TcgGuest::Start(libvirtd, images, plan);
  if (!guest) return Forward(guest);
  auto started = (*guest)->shell().Ask("spawn", {{"argv", {"/usr/sbin/bare-agent"}}});
  if (!started) return Forward(started);
  const SystemClock clock;
  auto bare = BareProbe::Connect((*guest)->port_path(kBarePort), clock);
  if (!bare) return Forward(bare);
  auto agent = AgentProbe::Connect((*guest)->channel_path(), clock);
  if (!agent) return Forward(agent);
  auto frames = ShuffledFrames(**guest, std::size_t{2} * kRounds);
  if (!frames) return Forward(frames);
  Samples ours;
  Samples least;
  for (std::size_t i = 0; i < frames->size(); ++i) {
    const bool raw = i % 2 == 0;
    auto took = raw ? bare->Retire((*frames)[i]) : agent->Retire((*frames)[i]);
    if (took) (raw ? least : ours).push_back(*took);
    if (!took && took.error().code != ErrorCode::kBusy) return Forward(took);
  }
  if (ours.empty() || least.empty()) return Fail(ErrorCode::kIo, "no page was retired");
  const double page = QuantileUs(ours, 0.5);
  const double limit = QuantileUs(least, 0.5);
  Figure("page_us", page);
  Figure("bare_page_us", limit);
  std::cout << fmt::format("one page: {:.2f} x the bare agent (goal {} x; n = {} and {})\n",
                           page / limit, kGoal, ours.size(), least.size());
  return page <= kGoal * limit;
}

std::chrono::nanoseconds Micros(const nlohmann::json& value) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(value.get<double>() * 1000));
}

// What the boot that runs now says of its early stage.
Result<std::chrono::nanoseconds> EarlyStageTook(TcgGuest& guest) {
  auto status = guest.shell().Ask("status");
  if (!status) return Forward(status);
  return Micros((*status)["early"]["took_us"]);
}

// Everything on record before the next boot asks.
Status MakeBad(NotifierHost& host, const std::vector<GuestPhysAddr>& pages) {
  constexpr std::size_t kAtOnce = 16;  // a ring's lane holds them
  for (std::size_t i = 0; i < pages.size(); ++i) {
    if (auto done = host.Publish(pages[i]); !done) return done;
    if ((i + 1) % kAtOnce != 0 && i + 1 != pages.size()) continue;
    const bool recorded = testing::WaitUntil(
        [&] {
          auto rows = host.QueryLedger("SELECT count(*) AS n FROM page");
          return rows && rows->size() == 1 && (*rows)[0]["n"].get<std::size_t>() == i + 1;
        },
        kPatience);
    if (!recorded) return Fail(ErrorCode::kTimeout, "the notifier did not record it all");
  }
  return {};
}

struct Replays {
  Samples early;
  Samples bare;
  Samples looks;
};

// The early stage retires what is on record; in the same boot a bare loop takes as many others,
// half of them before the early stage and half after it.
Result<Replays> MeasureReplays(TcgGuest& guest, NotifierHost& host) {
  Replays replays;
  for (unsigned boot = 0; boot < kBoots; ++boot) {
    if (auto up = guest.RebootFromInside(); !up) return Forward(up);
    auto status = guest.shell().Ask("status");
    if (!status) return Forward(status);
    replays.early.push_back(Micros((*status)["early"]["took_us"]));
    const auto& bare = (*status)["bare"];
    replays.bare.push_back(Micros(bare["took_us"]));
    replays.looks.push_back(Micros(bare["looks_took_us"]));
    auto retired = host.QueryLedger(
        fmt::format("SELECT count(DISTINCT page) AS n FROM verdict WHERE boot = '{}' AND "
                    "outcome = 'retired' AND stage = 'early'",
                    guest.boot_id()));
    if (!retired) return Forward(retired);
    const auto pages = (*retired)[0]["n"].get<std::size_t>();
    std::cout << fmt::format("boot {}: {} of {} retired early, the bare loop was refused {}\n",
                             boot + 1, pages, kReplayed, bare["refused"].get<int>());
    // A few are the kernel's in one boot and free in another.
    constexpr std::size_t kFew = kReplayed / 100;
    if (pages + kFew < kReplayed || bare["refused"].get<std::size_t>() > kFew)
      return Fail(ErrorCode::kIo, "hardly a replay");
  }
  return replays;
}

// Frames that a boot of this machine has free: every second of them is for us, the others for the
// bare loop, which is told on the kernel's command line.
struct Shares {
  std::vector<GuestPhysAddr> ours;
  std::string bare;
};

Result<Shares> ShareFrames(PrivateLibvirtd& libvirtd, const testing::GuestImages& images) {
  const GuestPlan plan{.name = "frames",
                       .uuid = kVm,
                       .memory_mib = kMemoryMib,
                       .cpu = kBenchCpu,
                       .early = false,
                       .agent = false,
                       .loglevel = kLoglevel};
  auto guest = TcgGuest::Start(libvirtd, images, plan);
  if (!guest) return Forward(guest);
  auto frames = SpreadFrames(**guest, 2 * kReplayed);
  if (!frames) return Forward(frames);
  Shares shares;
  for (std::size_t i = 0; i < frames->size(); i += 2) shares.ours.push_back((*frames)[i]);
  const std::uint64_t first = (*frames)[1].value;
  shares.bare =
      fmt::format("seaward.bare={:x}:{:x}:{}", first, (*frames)[3].value - first, kReplayed);
  return shares;
}

// The same.
Result<bool> MeasureBoots(PrivateLibvirtd& libvirtd, const testing::GuestImages& images) {
  auto shares = ShareFrames(libvirtd, images);
  if (!shares) return Forward(shares);
  const GuestPlan plan{.name = "boots",
                       .uuid = kVm,
                       .memory_mib = kMemoryMib,
                       .cpu = kBenchCpu,
                       .more_words = shares->bare,
                       .agent = false,
                       .loglevel = kLoglevel};
  NotifierHost host(HostPlan{.vm = kVm,
                             .vm_name = plan.name,
                             .channel = TcgGuest::ChannelPath(libvirtd.folder(), plan.name),
                             .log_level = "warning"});
  if (auto up = host.StartNotifier(); !up) return Forward(up);
  if (auto up = host.StartPublisher(); !up) return Forward(up);
  auto guest = TcgGuest::Start(libvirtd, images, plan);
  if (!guest) return Forward(guest);
  Samples nothing;
  for (unsigned boot = 0; boot < kBoots; ++boot) {
    if (boot > 0)
      if (auto up = (*guest)->RebootFromInside(); !up) return Forward(up);
    auto took = EarlyStageTook(**guest);
    if (!took) return Forward(took);
    nothing.push_back(*took);
  }
  Figure("boot_delay_ms", MedianMs(nothing));
  if (auto bad = MakeBad(host, shares->ours); !bad) return Forward(bad);
  auto replays = MeasureReplays(**guest, host);
  if (!replays) return Forward(replays);
  // What the pages add to a stage that has to start and to greet anyway.
  const double replay = MedianMs(replays->early) - MedianMs(nothing);
  const double bare = MedianMs(replays->bare);
  Figure("replay_1000_ms", replay);
  const double evident = bare + MedianMs(replays->looks);
  Figure("bare_1000_ms", bare);
  Figure("evident_1000_ms", evident);
  std::cout << fmt::format(
      "replay: {:.2f} x the bare loop (goal {} x), {:.2f} x the bare loop with "
      "a look before and after\n",
      replay / bare, kGoal, replay / evident);
  return replay <= kGoal * bare;
}

// A machine without any virtio console. Nobody can ask it anything: what it prints is read. Its
// init ends for want of a port, so that it boots again and again.
Status MeasureWithoutPort(PrivateLibvirtd& libvirtd, const testing::GuestImages& images) {
  const GuestPlan plan{.name = "mute",
                       .uuid = kVm,
                       .memory_mib = kMemoryMib,
                       .cpu = kBenchCpu,
                       .agent = false,
                       .loglevel = kLoglevel,
                       .ports = false};
  auto guest = TcgGuest::Start(libvirtd, images, plan);
  if (!guest) return Forward(guest);
  Samples samples;
  const std::regex said("event=early_stage exit=0 took_us=([0-9]+)");
  const bool booted = testing::WaitUntil(
      [&] {
        samples.clear();
        const std::string console = ReadTextFile((*guest)->console_path(), 64U << 20).value_or("");
        for (std::sregex_iterator at(console.begin(), console.end(), said), end; at != end; ++at)
          samples.push_back(std::chrono::microseconds(std::stoll((*at)[1])));
        return samples.size() >= kBoots;
      },
      kPatience);
  if (!booted) return Fail(ErrorCode::kTimeout, "the machine without a port did not boot");
  Figure("boot_delay_no_port_ms", MedianMs(samples));
  return {};
}

Result<bool> Measure() {
  auto images = testing::FindGuestImages();
  if (!images) return Forward(images);
  auto libvirtd = PrivateLibvirtd::Start();
  if (!libvirtd) return Forward(libvirtd);
  auto page = MeasureOnePage(**libvirtd, *images);
  if (!page) return Forward(page);
  auto boots = MeasureBoots(**libvirtd, *images);
  if (!boots) return Forward(boots);
  if (auto done = MeasureWithoutPort(**libvirtd, *images); !done) return Forward(done);
  return *page && *boots;
}

}  // namespace
}  // namespace seaward::bench

int main() {
  const auto good = seaward::bench::Measure();
  if (!good) std::cerr << "guest-bench: error: " << good.error().Text() << '\n';
  if (good && !*good) std::cerr << "guest-bench: a goal was missed\n";
  return good && *good ? 0 : 1;
}
