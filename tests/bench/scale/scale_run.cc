#include "tests/bench/scale/scale_run.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>

namespace seaward::bench {
namespace {

// A step that is not done by then is not slow, it hangs: filling 1,000 VMs took two minutes on a
// busy machine with a slow disk.
constexpr std::chrono::minutes kPatience{15};

double Seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

void Say(const char* step) {
  std::fprintf(stderr, "%s\n", step);
}

}  // namespace

ScaleRun::ScaleRun(const ScalePlan& plan, const Clock& clock)
    : plan_(plan), clock_(clock), fleet_(clock), notifier_(dir_.path(), plan.programs) {
  figures_["vms"] = plan.vms;
  figures_["pages_per_vm"] = plan.pages_per_vm;
}

ScaleRun::~ScaleRun() = default;

Status ScaleRun::Measure() {
  using Step = Status (ScaleRun::*)();
  for (const Step step :
       {&ScaleRun::MeasureWithoutVms, &ScaleRun::StartFleet, &ScaleRun::ConsumePoison,
        &ScaleRun::Restart, &ScaleRun::MissPages, &ScaleRun::RestWhile})
    if (auto done = (this->*step)(); !done) return done;
  return {};
}

Status ScaleRun::Await(const char* what, const std::function<bool()>& holds) {
  if (fleet_.ServeUntil(holds, kPatience)) return {};
  return Fail(ErrorCode::kTimeout, std::string("waited in vain until ") + what);
}

Status ScaleRun::MeasureWithoutVms() {
  Say("a notifier without VMs");
  const std::string channels = dir_ / "vm";
  ::mkdir(channels.c_str(), 0700);
  if (auto booted = fleet_.BootAll(plan_.vms, channels); !booted) return booted;
  if (auto written = notifier_.Configure(0, channels); !written) return written;
  if (auto started = notifier_.Start(); !started) return started;
  if (auto up = Await("it answers", [this] { return notifier_.Answers(); }); !up) return up;
  empty_rss_kib_ = notifier_.rss_kib();
  figures_["rss_without_vms_kib"] = empty_rss_kib_;
  notifier_.Kill();
  return notifier_.Configure(plan_.vms, channels);
}

Status ScaleRun::StartFleet() {
  Say("VMs attach, guests greet");
  if (auto started = notifier_.Start(); !started) return started;
  for (std::size_t i = 0; i < plan_.vms; ++i) {
    auto vmm = AttachVmm(notifier_.attach_socket(), VmUuid(i));
    if (!vmm) return Forward(vmm);
    vmms_.push_back(std::move(*vmm));
  }
  return Await("every VM is attached and every guest synced",
               [this] { return AllAttached() && fleet_.synced() == fleet_.size(); });
}

Status ScaleRun::PublishPages(std::size_t first, std::size_t end) {
  for (std::size_t page = first; page < end; ++page)
    for (const auto& vmm : vmms_)
      if (auto consumed = ConsumeBadPage(vmm, page); !consumed) return consumed;
  return {};
}

Status ScaleRun::ConsumePoison() {
  Say("every VM consumes its bad pages");
  const MonoTime began = clock_.Now();
  if (auto published = PublishPages(0, plan_.pages_per_vm); !published) return published;
  auto committed = Await("every exit is durable", [this] { return AllDurable(); });
  if (!committed) return committed;
  const auto events = static_cast<double>(plan_.vms * plan_.pages_per_vm);
  figures_["events_per_s_committed"] = events / Seconds(clock_.Now() - began);
  const std::uint64_t retired = plan_.vms * plan_.pages_per_vm * kBadPageBytes;
  auto done =
      Await("every guest has retired its pages", [&] { return fleet_.retired_bytes() == retired; });
  if (!done) return done;
  const auto pages = static_cast<std::int64_t>(plan_.vms * plan_.pages_per_vm);
  MonoTime look_at{};
  done = Await("every verdict is durable", [&] {
    if (clock_.Now() < look_at) return false;
    look_at = clock_.Now() + std::chrono::seconds(1);
    return notifier_.Count("SELECT count(*) FROM page WHERE life = 'retired'") == pages;
  });
  figures_["fill_s"] = Seconds(clock_.Now() - began);
  return done;
}

Status ScaleRun::Restart() {
  Say("kill -9, start");
  notifier_.Kill();
  auto gone = Await("the guests notice", [this] { return fleet_.synced() == 0; });
  if (!gone) return gone;
  const std::uint64_t entries = fleet_.entries_heard();
  const std::uint64_t bytes = fleet_.bytes_heard();
  const MonoTime started = clock_.Now();
  if (auto again = notifier_.Start(); !again) return again;
  auto synced = Await("every guest is synced", [this] { return fleet_.synced() == fleet_.size(); });
  if (!synced) return synced;
  figures_["guests_synced_s"] = Seconds(clock_.Now() - started);
  figures_["sync_cpu_s"] = notifier_.cpu().count();
  figures_["entries_resent"] = fleet_.entries_heard() - entries;
  figures_["bytes_per_vm"] = (fleet_.bytes_heard() - bytes) / plan_.vms;
  return AskOperator(started);
}

Status ScaleRun::AskOperator(MonoTime started) {
  using Pages = MeasuredNotifier::Pages;
  const auto serve = [this](const auto& ended) {
    static_cast<void>(fleet_.ServeUntil(ended, kPatience));
  };
  for (std::size_t live = 0; live < plan_.vms;) {
    auto status = notifier_.AskStatus(Pages::kNone, serve);
    if (!status) return Forward(status);
    live = status->live;
  }
  figures_["sync_all_s"] = Seconds(clock_.Now() - started);
  const MonoTime asked = clock_.Now();
  auto status = notifier_.AskStatus(Pages::kAll, serve);
  if (!status) return Forward(status);
  figures_["status_s"] = Seconds(clock_.Now() - asked);
  if (status->retired != plan_.vms * plan_.pages_per_vm)
    return Fail(ErrorCode::kInvalid, "status shows " + std::to_string(status->retired) +
                                         " retired pages of " + std::to_string(status->pages));
  return Await("every VM is attached again", [this] { return AllAttached(); });
}

Status ScaleRun::MissPages() {
  Say("kill -9, one more page of each VM, start");
  notifier_.Kill();
  auto gone = Await("everybody notices", [this] { return fleet_.synced() == 0; });
  if (!gone) return gone;
  const std::size_t pages = plan_.pages_per_vm + 1;
  if (auto published = PublishPages(pages - 1, pages); !published) return published;
  const std::uint64_t entries = fleet_.entries_heard();
  const MonoTime started = clock_.Now();
  if (auto again = notifier_.Start(); !again) return again;
  auto retired = Await("all of them are retired", [&] {
    return fleet_.retired_bytes() == plan_.vms * pages * kBadPageBytes &&
           fleet_.synced() == fleet_.size();
  });
  figures_["new_entries_s"] = Seconds(clock_.Now() - started);
  figures_["new_entries_told"] = fleet_.entries_heard() - entries;
  if (!retired) return retired;
  auto status = notifier_.AskStatus(MeasuredNotifier::Pages::kAll, [this](const auto& ended) {
    static_cast<void>(fleet_.ServeUntil(ended, kPatience));
  });
  if (!status) return Forward(status);
  return Await("every VM is attached again", [this] { return AllAttached(); });
}

Status ScaleRun::RestWhile() {
  Say("nothing happens");
  // Rings are looked at once more, unasked, a while after something was taken.
  const MonoTime calm = clock_.Now() + std::chrono::seconds(6);
  if (auto waited = Await("all is calm", [&] { return clock_.Now() >= calm; }); !waited)
    return waited;
  const auto cpu = notifier_.cpu();
  const MonoTime began = clock_.Now();
  auto idle = Await("time passed", [&] { return clock_.Now() - began >= plan_.idle; });
  if (!idle) return idle;
  figures_["idle_cpu_pct"] = 100 * (notifier_.cpu() - cpu).count() / Seconds(clock_.Now() - began);
  const auto rss = static_cast<double>(notifier_.rss_kib());
  figures_["rss_kib"] = notifier_.rss_kib();
  figures_["rss_per_vm_kib"] =
      (rss - static_cast<double>(empty_rss_kib_)) / static_cast<double>(plan_.vms);
  return {};
}

bool ScaleRun::AllAttached() const {
  return std::all_of(vmms_.begin(), vmms_.end(), IsAttached);
}

bool ScaleRun::AllDurable() const {
  return std::all_of(vmms_.begin(), vmms_.end(),
                     [](const VmmHandle& vmm) { return RecordsWaiting(vmm) == 0; });
}

}  // namespace seaward::bench
