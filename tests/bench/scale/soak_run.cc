#include "tests/bench/scale/soak_run.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace seaward::bench {
namespace {

constexpr std::chrono::minutes kPatience{15};  // what is not done by then hangs
constexpr double kBurstsPerVmAndHour = 6;
constexpr std::uint64_t kLargestBurst = 64;
// With so many a VM is not worth keeping: its memory is replaced.
constexpr std::uint64_t kMostPages = 160;
constexpr std::size_t kBurstsPerSample = 50;
// What comes before is growing up: books fill, buffers reach their size.
constexpr double kWarmUp = 1.0 / 3;

const char* const kRunningPages =
    "SELECT count(*) FROM page WHERE ended_wall_ns IS NULL AND life = 'retired'";
const char* const kEndedPages = "SELECT count(*) FROM page WHERE ended_wall_ns IS NOT NULL";
const char* const kAllRows = "SELECT (SELECT count(*) FROM page) + (SELECT count(*) FROM event)";

// Of y over x by least squares.
double Slope(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double covariance = 0;
  double variance = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    covariance += (x[i] - mean_x) * (y[i] - mean_y);
    variance += (x[i] - mean_x) * (x[i] - mean_x);
  }
  return covariance / variance;
}

}  // namespace

SoakRun::SoakRun(const SoakPlan& plan, const Clock& clock)
    : plan_(plan),
      clock_(clock),
      fleet_(clock),
      notifier_(dir_.path(), plan.programs),
      vms_(plan.vms),
      chance_(plan.seed) {
  figures_ = {{"vms", plan.vms},
              {"seed", plan.seed},
              {"simulated_hours", 0.0},
              {"bursts", 0},
              {"pages", 0},
              {"guest_boots", 0},
              {"memories_replaced", 0},
              {"max_rows", plan.max_rows}};
}

std::size_t SoakRun::bursts() const {
  return static_cast<std::size_t>(
      std::ceil(plan_.hours * kBurstsPerVmAndHour * static_cast<double>(plan_.vms)));
}

Status SoakRun::Measure() {
  if (auto up = StartFleet(); !up) return up;
  const MonoTime began = clock_.Now();
  const auto pause = std::chrono::nanoseconds(std::chrono::seconds(1)) / plan_.bursts_per_s;
  for (std::size_t done = 1; done <= bursts(); ++done) {
    if (auto burst = Burst(); !burst) return burst;
    const MonoTime next = clock_.Now() + pause;
    static_cast<void>(fleet_.ServeUntil([&] { return clock_.Now() >= next; }, kPatience));
    if (done % kBurstsPerSample == 0) TakeSample(done);
  }
  figures_["wall_s"] = std::chrono::duration<double>(clock_.Now() - began).count();
  figures_["cpu_s"] = notifier_.cpu().count();
  AddSlopes();
  if (auto retired = AllRetired(); !retired) return retired;
  return KeptWithinBounds();
}

Status SoakRun::Await(const char* what, const std::function<bool()>& holds) {
  MonoTime look_at{};
  const auto looked = [&] {
    if (clock_.Now() < look_at) return false;
    look_at = clock_.Now() + std::chrono::milliseconds(200);
    return holds();
  };
  if (fleet_.ServeUntil(looked, kPatience)) return {};
  return Fail(ErrorCode::kTimeout, std::string("waited in vain until ") + what);
}

Status SoakRun::StartFleet() {
  ::mkdir((dir_ / "vm").c_str(), 0700);
  const std::string retention = fmt::format("retention:\n  max_rows: {}\n", plan_.max_rows);
  if (auto opened = fleet_.Open(); !opened) return opened;
  if (auto written = notifier_.Configure(plan_.vms, dir_ / "vm", retention); !written)
    return written;
  if (auto started = notifier_.Start(); !started) return started;
  if (auto up = Await("it answers", [this] { return notifier_.Answers(); }); !up) return up;
  for (std::size_t i = 0; i < plan_.vms; ++i)
    if (auto vm = StartVm(i); !vm) return vm;
  return Await("every guest is synced", [this] { return fleet_.synced() == fleet_.size(); });
}

Status SoakRun::Burst() {
  const std::size_t number = Chance(plan_.vms);
  Vm& vm = vms_[number];
  const std::uint64_t pages = 1 + Chance(kLargestBurst);
  if (vm.pages + pages > kMostPages) {
    Count("memories_replaced", 1);
    if (auto started = StartVm(number); !started) return started;
  }
  // One in eight repeats pages that the guest knows already.
  const std::uint64_t first = Chance(8) == 0 ? vm.pages / 2 : vm.pages;
  vm.pages = std::max(vm.pages, first + pages);
  Count("bursts", 1);
  Count("pages", pages);
  if (auto told = vm.vmm->Consume(first, pages); !told) return told;
  if (Chance(16) != 0) return {};
  Count("guest_boots", 1);
  return BootGuest(Chance(plan_.vms));
}

Status SoakRun::StartVm(std::size_t number) {
  Vm& vm = vms_[number];
  vm.vmm.reset();
  auto vmm = SoakVmm::Start(plan_.programs + "/soak_bench", notifier_.attach_socket(),
                            dir_ / "vm/" + std::to_string(number), VmUuid(number));
  if (!vmm) return Forward(vmm);
  vm.vmm = std::move(*vmm);
  vm.pages = 0;
  return BootGuest(number);
}

Status SoakRun::BootGuest(std::size_t number) {
  auto listener = vms_[number].vmm->ChannelListener();
  if (!listener) return Forward(listener);
  return fleet_.Boot(number, std::move(*listener));
}

void SoakRun::Count(const char* figure, std::uint64_t more) {
  figures_[figure] = figures_[figure].get<std::uint64_t>() + more;
}

void SoakRun::TakeSample(std::size_t done) {
  const double hours =
      static_cast<double>(done) / kBurstsPerVmAndHour / static_cast<double>(plan_.vms);
  figures_["simulated_hours"] = hours;
  samples_.push_back({hours, static_cast<double>(notifier_.rss_kib()),
                      static_cast<double>(notifier_.descriptors())});
  const auto rows = notifier_.Count(kAllRows);
  figures_["most_rows"] = std::max(figures_.value("most_rows", std::int64_t{0}), rows);
  std::fprintf(stderr, "%.2f h: %.0f KiB, %.0f descriptors, %lld rows\n", hours,
               samples_.back().rss_kib, samples_.back().descriptors, static_cast<long long>(rows));
}

void SoakRun::AddSlopes() {
  const auto warm = static_cast<std::size_t>(static_cast<double>(samples_.size()) * kWarmUp);
  std::vector<double> hours;
  std::vector<double> rss;
  std::vector<double> descriptors;
  for (std::size_t i = warm; i < samples_.size(); ++i) {
    hours.push_back(samples_[i].hours);
    rss.push_back(samples_[i].rss_kib);
    descriptors.push_back(samples_[i].descriptors);
  }
  if (hours.size() < 2) return;
  figures_["rss_first_kib"] = rss.front();
  figures_["rss_last_kib"] = rss.back();
  figures_["rss_kib_per_hour"] = Slope(hours, rss);
  figures_["descriptors_per_hour"] = Slope(hours, descriptors);
}

// Nothing was lost: all pages of the memory that is there are retired, and on record.
Status SoakRun::AllRetired() {
  const auto wanted = std::accumulate(
      vms_.begin(), vms_.end(), std::int64_t{0},
      [](std::int64_t sum, const Vm& vm) { return sum + static_cast<std::int64_t>(vm.pages); });
  const auto done =
      Await("every page is retired", [&] { return notifier_.Count(kRunningPages) == wanted; });
  figures_["pages_running"] = wanted;
  figures_["pages_missing"] = wanted - notifier_.Count(kRunningPages);
  return done;
}

// A notifier looks at its ledger's age when it starts.
Status SoakRun::KeptWithinBounds() {
  if (notifier_.Stop() != 0) return Fail(ErrorCode::kIo, "the notifier did not end in order");
  if (auto again = notifier_.Start(); !again) return again;
  const auto most = static_cast<std::int64_t>(plan_.max_rows);
  const auto kept = Await("the ledger has forgotten what it should", [&] {
    const auto ended = notifier_.Count(kEndedPages);
    return ended >= 0 && ended <= most;
  });
  figures_["ended_pages_kept"] = notifier_.Count(kEndedPages);
  return kept;
}

}  // namespace seaward::bench
