// Sources besides the ring, in the real notifier: a frame of the host that an operator names, what
// the host's kernel says in its trace, rasdaemon's trigger.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <fstream>

#include "base/process_identity.h"
#include "host-notifier/app/interposer_process_fixture.h"
#include "host-notifier/hostpage/page_frames.h"

namespace seaward {
namespace {

constexpr std::uint64_t kGpa = 0x40711000;
constexpr std::size_t kPage = 4096;

// A VMM that is this process: it says which guest memory lies at one of its pages.
class TellingVmm final : public vmm::HealOrderTaker {
 public:
  vmm::HealAnswer Take(const vmm::HealOrder& order) noexcept override {
    return {order.id, vmm::HealResult::kFailed};
  }
  std::vector<vmm::HealAnswer> TakeResults() noexcept override { return {}; }
  void ForgetOrders() noexcept override {}
  std::optional<GuestPhysAddr> GuestAddressOf(HostVirtAddr host) noexcept override {
    ++questions;
    const std::uint64_t start = memory.load();
    if (!tells || host.value < start || host.value >= start + 2 * kPage) return std::nullopt;
    return GuestPhysAddr{kGpa + (host.value - start)};
  }
  std::atomic<std::uint64_t> memory{0};
  std::atomic<bool> tells{true};
  std::atomic<int> questions{0};
};

class HostFrameTest : public InterposerProcessTest {
 protected:
  HostFrameTest()
      : memory_(static_cast<char*>(::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    std::memset(memory_, 0x5a, 2 * kPage);
    vmm_tells_.memory = reinterpret_cast<std::uint64_t>(memory_);
  }
  ~HostFrameTest() override {
    InterposerLeaves();
    ::munmap(memory_, 2 * kPage);
  }
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "this process is the VMM, and a sanitizer's shadow is terabytes to search";
#endif
    const auto self = IdentifyProcess(::getpid(), "/proc");
    ASSERT_TRUE(self);
    const auto frame = FrameBehind(*self, HostVirtAddr{reinterpret_cast<std::uint64_t>(memory_)});
    if (!frame) GTEST_SKIP() << "only root learns which frame is behind a page";
    frame_ = *frame;
  }
  // In a folder that stands for tracefs: paths and values. The kernel's own is tried in the lab.
  void HostHasTracefs() {
    const std::string instance = dir_ / "tracing/instances/seaward";
    const std::string event = instance + "/events/ras/memory_failure_event";
    std::filesystem::create_directories(event);
    for (const std::string& file :
         {instance + "/buffer_size_kb", instance + "/tracing_on", event + "/enable"})
      std::ofstream(file) << "0";
    ASSERT_EQ(0, ::mkfifo((instance + "/trace_pipe").c_str(), 0600));
    // Open for both: a kernel that has nothing to say is no end of the file.
    kernel_.Reset(::open((instance + "/trace_pipe").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(kernel_.valid());
  }
  void KernelSays(PageFrame frame) {
    const std::string line = "     kworker/0:1-12 [000] ..... 1.2: memory_failure_event: pfn " +
                             FormatAddress(frame.number) +
                             ": recovery action for dirty LRU page: Recovered\n";
    ASSERT_EQ(static_cast<ssize_t>(line.size()), ::write(kernel_.get(), line.data(), line.size()));
  }
  void VmRuns(const std::string& more = "") {
    VmRunsUnattached(more);
    VmmAttachesAndGuestIsInStep();
  }
  void VmRunsUnattached(const std::string& more = "") {
    Configure("none", "host_trace:\n  tracefs: " + (dir_ / "tracing") + "\n" + more);
    GuestBoots();
    StartNotifier();
  }
  void VmmAttachesAndGuestIsInStep() {
    InterposerAttaches(&vmm_tells_);
    Until("the VMM is attached", [this] { return StatusOf("/vms/0/attached") == true; });
    Until("the guest is in step", [this] { return guest_.synced(); });
  }
  Json ReportFrame(PageFrame frame) {
    return Ask({{"op", "report"}, {"host_frame", FormatAddress(frame.number)}});
  }
  std::string Offlined() const {
    std::ifstream in(dir_ / "hard_offline_page");
    std::string text;
    in >> text;
    return text;
  }

  TellingVmm vmm_tells_;
  char* const memory_;
  PageFrame frame_;
  UniqueFd kernel_;
};

TEST_F(HostFrameTest, AFrameThatAnOperatorNamesBecomesThePageOfItsGuest) {
  VmRuns();
  const Json report = ReportFrame(frame_);
  ASSERT_EQ(1u, report["pages"].size()) << report.dump();
  EXPECT_EQ("web", report["pages"][0]["vm"]);
  EXPECT_EQ("0x40711000", report["pages"][0]["gpa"]);
  EXPECT_EQ(true, report["pages"][0]["is_new"]);
  Until("the guest retires it", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  EXPECT_EQ("latent", StatusOf("/vms/0/pages/0/evidence"));
  EXPECT_EQ(FormatAddress(frame_.number), StatusOf("/vms/0/pages/0/host_frame"));
  EXPECT_EQ("pending", StatusOf("/vms/0/pages/0/host_retired")) << "goes with the VM";
  EXPECT_EQ(report, ReportFrame(frame_)) << "the same news by another way";
  EXPECT_EQ(1, Count("SELECT sum(event_count) FROM page"));
  EXPECT_EQ(1, StatusOf("/host_errors/located"));
  EXPECT_EQ(1, StatusOf("/host_errors/repeats"));
  StopNotifier();
}

TEST_F(HostFrameTest, AFrameThatNobodyHasIsSaidClearly) {
  VmRuns();
  const Json answer = ReportFrame(PageFrame{(std::uint64_t{1} << 40) - 1});
  EXPECT_EQ("invalid", answer["error"]["code"]);
  EXPECT_NE(std::string::npos,
            answer["error"]["text"].get<std::string>().find("no VM that runs has frame 0xff"));
  EXPECT_EQ(1, StatusOf("/host_errors/of_no_vm"));
  EXPECT_EQ(0, Count("SELECT count(*) FROM event"));
  StopNotifier();
}

TEST_F(HostFrameTest, AVmmThatDoesNotTellLeavesAnErrorWithoutAPlace) {
  vmm_tells_.tells = false;
  VmRuns();
  const Json report = ReportFrame(frame_);
  EXPECT_EQ(0u, report["pages"].size()) << report.dump();
  ASSERT_EQ(1u, report["placeless"].size()) << report.dump();
  EXPECT_EQ("web", report["placeless"][0]["vm"]);
  EXPECT_EQ(1, Count("SELECT count(*) FROM event WHERE location='unlocated' AND page IS NULL"));
  EXPECT_EQ(false, StatusOf("/vms/0/migration/safe"));
  EXPECT_EQ(0, Count("SELECT count(*) FROM page"));
  StopNotifier();
}

// libseaward-vmm knows no memory slots; a page on record with this frame says where it is.
TEST_F(HostFrameTest, APageOnRecordNamesThePlaceWhereTheVmmDoesNot) {
  VmRuns();
  ASSERT_EQ(1u, ReportFrame(frame_)["pages"].size());
  StopNotifier();
  vmm_tells_.tells = false;
  StartNotifier();
  Until("the VMM is attached again", [this] { return StatusOf("/vms/0/attached") == true; });
  const Json report = ReportFrame(frame_);
  ASSERT_EQ(1u, report["pages"].size()) << report.dump();
  EXPECT_EQ("0x40711000", report["pages"][0]["gpa"]);
  EXPECT_EQ(false, report["pages"][0]["is_new"]);
  StopNotifier();
}

TEST_F(HostFrameTest, WhatTheHostsKernelFindsTakesTheSameWay) {
  HostHasTracefs();
  VmRuns();
  EXPECT_EQ(true, StatusOf("/host_errors/trace_open"));
  KernelSays(frame_);
  Until("the guest retires it", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  const Json events = Ask({{"op", "events"}});
  EXPECT_EQ("host_kernel", events["events"][0]["source"]);
  EXPECT_EQ("located", events["events"][0]["location"]);
  StopNotifier();
}

// The trace keeps what came while no notifier ran; VMs are not known at once, and attach later.
TEST_F(HostFrameTest, WhatTheKernelSaidBeforeTheVmIsKnownIsKept) {
  HostHasTracefs();
  KernelSays(frame_);
  VmRunsUnattached();
  Until("the VM is known", [this] { return Logged("event=vm_running"); });
  Until("the kernel's word is known", [this] { return Logged("event=host_kernel_error"); });
  VmmAttachesAndGuestIsInStep();
  Until("the guest retires it", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  StopNotifier();
}

// Retiring a frame makes the host's kernel say so: no news, in this notifier and in the next.
TEST_F(HostFrameTest, AnEchoOfWhatTheNotifierRetiredIsNoEvent) {
  HostHasTracefs();
  VmRuns("host_retire: after_verdict\n");
  ASSERT_EQ(1u, ReportFrame(frame_)["pages"].size());
  Until("the host retires it after the guest",
        [this] { return StatusOf("/vms/0/pages/0/host_retired") == "yes"; });
  EXPECT_EQ(FormatAddress(frame_.number * kPage), Offlined());
  for (int start = 0; start < 2; ++start) {
    KernelSays(frame_);
    Until("the echo is heard", [this] { return StatusOf("/host_errors/echoes") == 1; });
    EXPECT_EQ(true, ReportFrame(frame_)["retired"]) << "rasdaemon heard it, too";
    EXPECT_EQ(1, Count("SELECT count(*) FROM event"));
    EXPECT_EQ(1, Count("SELECT event_count FROM page"));
    StopNotifier();
    if (start == 0) StartNotifier();
  }
}

TEST_F(HostFrameTest, EventsThatTheKernelHadNoRoomForAreCounted) {
  HostHasTracefs();
  VmRuns();
  const std::string line = "CPU:0 [LOST 7 EVENTS]\n";
  ASSERT_EQ(static_cast<ssize_t>(line.size()), ::write(kernel_.get(), line.data(), line.size()));
  Until("they are counted", [this] { return StatusOf("/host_errors/lost") == 7; });
  EXPECT_TRUE(Logged("event=host_kernel_errors_lost"));
  StopNotifier();
}

TEST_F(HostFrameTest, RasdaemonsTriggerReportsTheFrame) {
  VmRuns();
  std::ofstream(dir_ / "ctl") << "#!/bin/sh\nexec " << SEAWARD_BINARY_DIR
                              << "/bin/seawardctl --socket " << dir_.path()
                              << "/control.sock \"$@\"\n";
  ::chmod((dir_ / "ctl").c_str(), 0700);
  const auto trigger = testing::RunToEnd(
      {"/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "TIMESTAMP=2026-01-01 00:00:00 +0000",
       "PFN=" + FormatAddress(frame_.number), "PAGE_TYPE=dirty LRU page", "ACTION_RESULT=Recovered",
       "SEAWARDCTL=" + (dir_ / "ctl"),
       std::string(SEAWARD_SOURCE_DIR) + "/configs/rasdaemon/seaward-mem-fail"},
      kPatience);
  ASSERT_TRUE(trigger) << trigger.error().Text();
  EXPECT_EQ(0, trigger->end.exit_code) << trigger->out;
  Until("the guest retires it", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  StopNotifier();
}

TEST_F(NotifierProcessTest, WithoutTracefsTheNotifierRunsAndSaysSo) {
  Configure("none", "host_trace:\n  tracefs: " + (dir_ / "nowhere") + "\n");
  StartNotifier();
  Until("it answers", [this] { return StatusOf("/version").is_string(); });
  EXPECT_EQ(false, StatusOf("/host_errors/trace_open"));
  EXPECT_TRUE(StatusOf("/host_errors/trace_error").is_string());
  EXPECT_TRUE(Logged("event=host_trace_unavailable"));
  StopNotifier();
  Configure("none", "host_trace:\n  read: on\n  tracefs: " + (dir_ / "nowhere") + "\n");
  StartNotifier();
  const auto end = notifier_.Wait(kPatience);
  ASSERT_TRUE(end);
  EXPECT_EQ(1, end->exit_code) << "it was told not to run without";
}

}  // namespace
}  // namespace seaward
