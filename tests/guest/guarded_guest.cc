#include "tests/guest/guarded_guest.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "base/file_io.h"
#include "tests/guest/run_with_images.h"

namespace seaward::testing {
namespace {

constexpr char kGuestName[] = "guest";
const Uuid kVm = ParseUuid("5ea3a4d0-0000-4000-8000-000000000001").value();

}  // namespace

GuestBench* GuardedGuest::bench = nullptr;

void GuestBench::TearDown() {
  host_.reset();
  guest_.reset();
  libvirtd_.reset();
}

void GuestBench::Discard() {
  host_.reset();
  guest_.reset();
}

Status GuestBench::BringUpLibvirtd() {
  if (libvirtd_) return {};
  auto started = PrivateLibvirtd::Start();
  if (!started) return Forward(started);
  libvirtd_ = std::move(*started);
  return {};
}

Status GuestBench::BringUpGuest(bool guarded) {
  if (guest_ && guest_->plan().agent == guarded) return {};
  guest_.reset();
  auto started = TcgGuest::Start(*libvirtd_, images_,
                                 {.name = kGuestName,
                                  .uuid = kVm,
                                  .memory_mib = images_.memory_mib,
                                  .cpu = images_.cpu,
                                  .early = guarded,
                                  .agent = guarded,
                                  .more_ports = images_.more_ports});
  if (!started) return Forward(started);
  guest_ = std::move(*started);
  return {};
}

Status GuestBench::BringUpHost(bool through_libvirt) {
  if (host_ && host_through_libvirt_ == through_libvirt) return {};
  host_.reset();
  HostPlan plan{.vm = kVm,
                .vm_name = kGuestName,
                .channel = TcgGuest::ChannelPath(libvirtd_->folder(), kGuestName)};
  if (through_libvirt) {
    // No rules but those that a case puts into the domain's metadata; many cases in one hour.
    plan.more_config =
        "policy:\n  duplicate_window_s: 0\n"
        "  limits: {vm_interventions: 100, host_interventions: 100}\n";
    plan.libvirt_uri = libvirtd_->uri();
    plan.libvirt_status_dir = libvirtd_->status_dir();
  }
  host_.emplace(plan);
  host_through_libvirt_ = through_libvirt;
  if (auto started = host_->StartNotifier(); !started) return started;
  if (through_libvirt) return {};
  return host_->StartPublisher();
}

Result<GuestBench::Machines> GuestBench::BringUp(bool through_libvirt) {
  if (auto up = BringUpLibvirtd(); !up) return Forward(up);
  if (guest_ && !guest_->plan().agent) guest_.reset();
  // The host first: the guest's early stage asks it.
  if (auto up = BringUpHost(through_libvirt); !up) return Forward(up);
  if (auto up = BringUpGuest(true); !up) return Forward(up);
  return Machines{*guest_, *host_};
}

Result<GuestBench::Machines> GuestBench::Guarded() {
  return BringUp(false);
}

Result<GuestBench::Machines> GuestBench::GuardedThroughLibvirt() {
  return BringUp(true);
}

Result<TcgGuest*> GuestBench::Control() {
  if (auto up = BringUpLibvirtd(); !up) return Forward(up);
  host_.reset();
  if (auto up = BringUpGuest(false); !up) return Forward(up);
  return guest_.get();
}

void GuardedGuest::SetUp() {
  UseMachines(bench->Guarded());
}

void GuardedGuest::UseMachines(Result<GuestBench::Machines> machines) {
  ASSERT_TRUE(machines.has_value()) << machines.error().Text();
  guest_ = &machines->guest;
  host_ = &machines->host;
}

void GuardedGuest::TearDown() {
  if (HasFailure()) {
    constexpr std::size_t kTail = 4000;
    const std::string console = ReadTextFile(guest().console_path(), 64U << 20).value_or("");
    std::printf("--- console of the guest\n%s\n",
                console.substr(console.size() - std::min(console.size(), kTail)).c_str());
    // Twice: a guest that hangs stands still.
    for (const char* question : {"info status", "info registers", "info registers"})
      std::printf("--- %s\n%s\n", question,
                  guest().AskMonitor(question).value_or("no answer").substr(0, kTail / 4).c_str());
    return bench->Discard();
  }
  // Those that died are unknown to the command server by now: an error says nothing here.
  for (const int pid : victims_) {
    if (guest().shell().Ask("kill", {{"pid", pid}})) {
      (void)guest().shell().Ask("wait", {{"pid", pid}});
    }
  }
}

GuestPhysAddr GuardedGuest::FreePage() {
  auto page = guest().PickFreePage();
  if (!page) throw std::runtime_error(page.error().Text());
  return *page;
}

GuardedGuest::Victim GuardedGuest::StartVictim() {
  auto reply = guest().shell().Ask("victim_start");
  if (!reply) throw std::runtime_error(reply.error().Text());
  auto page = ParseAddress((*reply)["pages"][0].get<std::string>());
  victims_.push_back((*reply)["pid"].get<int>());
  return {(*reply)["pid"].get<int>(), GuestPhysAddr{page.value()}};
}

std::string GuardedGuest::TouchVictim(const Victim& victim, int& signal) {
  auto reply = guest().shell().Ask("victim_touch", {{"pid", victim.pid}});
  if (!reply) throw std::runtime_error(reply.error().Text());
  signal = reply->value("signal", 0);
  return (*reply)["touch"].get<std::string>();
}

void GuardedGuest::PublishExit(GuestPhysAddr page) {
  auto done = host().Publish(page);
  ASSERT_TRUE(done.has_value()) << done.error().Text();
}

LedgerPage GuardedGuest::Verdict(GuestPhysAddr page) {
  auto verdict = host().WaitForVerdict(page, guest().boot_id());
  if (!verdict) throw std::runtime_error(verdict.error().Text());
  return *verdict;
}

LedgerPage GuardedGuest::RowAt(GuestPhysAddr page) {
  auto rows = host().PagesAt(page);
  return rows && !rows->empty() ? rows->back() : LedgerPage{};
}

void GuardedGuest::ExpectRetiredOnce(GuestPhysAddr page) {
  const LedgerPage verdict = Verdict(page);
  EXPECT_EQ(verdict.outcome, "retired") << FormatAddress(page.value);
  EXPECT_EQ(verdict.verdicts_this_boot, 1);
  auto rows = host().PagesAt(page);
  ASSERT_TRUE(rows.has_value());
  EXPECT_EQ(rows->size(), 1U) << "one page is one row";
  EXPECT_TRUE(HasFlag(page, "HWPOISON"));
  EXPECT_FALSE(HasFlag(page, "BUDDY"));
}

bool GuardedGuest::HasFlag(GuestPhysAddr page, const std::string& flag) {
  auto flags = guest().FrameFlags(page);
  if (!flags) throw std::runtime_error(flags.error().Text());
  return std::find(flags->begin(), flags->end(), flag) != flags->end();
}

int GuardedGuest::AgentPid() {
  auto status = guest().shell().Ask("status");
  if (!status) throw std::runtime_error(status.error().Text());
  return (*status)["agent_pid"].get<int>();
}

void GuardedGuest::SignalAgent(int signal) {
  auto done = guest().shell().Ask("kill", {{"pid", AgentPid()}, {"signal", signal}});
  ASSERT_TRUE(done.has_value()) << done.error().Text();
}

void GuardedGuest::KillAgent() {
  const int pid = AgentPid();
  SignalAgent(SIGKILL);
  auto ended = guest().shell().Ask("wait", {{"pid", pid}});
  ASSERT_TRUE(ended.has_value()) << ended.error().Text();
  ASSERT_EQ(ended->value("signal", 0), SIGKILL) << ended->dump();
}

void GuardedGuest::StartAgent() {
  auto started = guest().shell().Ask("agent_start");
  ASSERT_TRUE(started.has_value()) << started.error().Text();
}

std::uint64_t GuardedGuest::HardwareCorruptedKb() {
  auto reply = guest().shell().Ask("read", {{"path", "/proc/meminfo"}});
  if (!reply) throw std::runtime_error(reply.error().Text());
  std::istringstream lines((*reply)["text"].get<std::string>());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("HardwareCorrupted:")) return std::stoull(line.substr(18));
  }
  throw std::runtime_error("no HardwareCorrupted in /proc/meminfo");
}

// --kernel=NAME, for the cases about kinds of pages.
Result<GuestImages> ImagesFor(int argc, char** argv) {
  constexpr std::string_view kOption = "--kernel=";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (!word.starts_with(kOption)) continue;
    const std::string_view name = word.substr(kOption.size());
    if (name == "newest") return FindGuestImages(TestKernel::kNewest);
    if (name == "16k") return FindGuestImages(TestKernel::k16k);
    if (name == "beside-qga") return FindGuestImages(TestKernel::kBesideQemuGa);
    if (name == "bookworm") return FindGuestImages(TestKernel::kBookworm);
    return Fail(ErrorCode::kInvalid, "no kernel is called '" + std::string(name) + "'");
  }
  return FindGuestImages();
}

int RunGuestTests(int argc, char** argv) {
  return RunWithImages<GuestImages>(
      argc, argv, ImagesFor(argc, argv), [](const GuestImages& images) {
        std::printf("guest kernel %s\n", images.kernel_version.c_str());
        auto* bench = new GuestBench(images);  // GoogleTest deletes it
        GuardedGuest::bench = bench;
        ::testing::AddGlobalTestEnvironment(bench);
      });
}

}  // namespace seaward::testing

int main(int argc, char** argv) {
  return seaward::testing::RunGuestTests(argc, argv);
}
