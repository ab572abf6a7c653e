// A vCPU held at its exit, through the whole notifier: the host's page goes before the guest runs
// on. Only root learns which frame is behind a page; for everybody else the page is kept.
#include <sys/mman.h>

#include "base/file_io.h"
#include "host-notifier/app/interposer_process_fixture.h"

namespace seaward {
namespace {

using vmm::HostPage;

constexpr std::uint64_t kPage = 0x40711000;

class NativeExitTest : public InterposerProcessTest {
 protected:
  NativeExitTest()
      : memory_(static_cast<char*>(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0))) {}
  ~NativeExitTest() override { ::munmap(memory_, kBytes); }

  void NotifierServes(const std::string& more) {
    Configure("none", more);
    GuestBoots();
    StartNotifier();
    InterposerAttaches();
    Until("the guest is in step", [this] { return guest_.synced(); });
  }
  // What the vCPU is told.
  HostPage VcpuIsHeldAt(std::uint64_t gpa) {
    vmm::SeaExit exit;
    exit.flags = vmm::kSeaFlagGpaValid;
    exit.esr = 0x92000010;
    exit.gpa = GuestPhysAddr{gpa};
    exit.hva = HostVirtAddr{reinterpret_cast<std::uintptr_t>(memory_)};
    exit.injection = vmm::Injection::kNative;
    Publishes(exit);
    HostPage answer = HostPage::kUnanswered;
    Until("the vCPU is answered", [&] {
      answer = ring().AwaitHostPage(0, ring().LastSequence(0), 0ms);
      return answer != HostPage::kUnanswered;
    });
    return answer;
  }
  std::string RetiredInHost() { return ReadTextFile(dir_ / "hard_offline_page", 100).value(); }

 private:
  static constexpr std::size_t kBytes = 4096;
  char* const memory_;
};

TEST_F(NativeExitTest, EndsWithTheHostPageGoneAndTheAgentConfirming) {
  NotifierServes("    has_ghes: true\n");
  Until("the host offers its pages", [this] { return ring().OffersHostPages(); });
  const HostPage answer = VcpuIsHeldAt(kPage);
  if (::geteuid() == 0) {
    EXPECT_EQ(HostPage::kRetired, answer);
    EXPECT_EQ("yes", StatusOf("/vms/0/pages/0/host_retired"));
    EXPECT_EQ("0x", RetiredInHost().substr(0, 2));
  } else {
    EXPECT_EQ(HostPage::kKept, answer);
    EXPECT_EQ("", RetiredInHost());
  }
  Until("the guest hears of the page", [this] { return GuestHeard(kPage); });
  Until("the ledger has the verdict",
        [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  EXPECT_EQ(answer, VcpuIsHeldAt(kPage)) << "known already: the same answer";
  StopNotifier();
}

class HostKeepsPages : public NativeExitTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(HostKeepsPages, AndSaysSoAtOnce) {
  NotifierServes(GetParam());
  EXPECT_EQ(HostPage::kKept, VcpuIsHeldAt(kPage)) << "a VMM that waits all the same";
  EXPECT_FALSE(ring().OffersHostPages());
  EXPECT_EQ("", RetiredInHost());
  EXPECT_NE("yes", StatusOf("/vms/0/pages/0/host_retired"));
}

INSTANTIATE_TEST_SUITE_P(WithoutGhesOrByOrder, HostKeepsPages,
                         ::testing::Values("    has_ghes: false\n",
                                           "    has_ghes: true\nhost_retire: at_end\n"),
                         [](const auto& row) { return row.index == 0 ? "NoGhes" : "AtEnd"; });

}  // namespace
}  // namespace seaward
