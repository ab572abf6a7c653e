// A vCPU held for the guest's verdict, through the whole notifier.
#include <future>

#include "host-notifier/app/interposer_process_fixture.h"
#include "host-notifier/vmm/vcpu_hold.h"

namespace seaward {
namespace {

using std::chrono::microseconds;
using vmm::HoldEnd;

constexpr std::uint64_t kPage = 0x40711000;

vmm::SeaExit HeldExit(std::uint64_t gpa) {
  vmm::SeaExit exit;
  exit.flags = vmm::kSeaFlagGpaValid;
  exit.esr = 0x92000010;
  exit.gva = GuestVirtAddr{0xaaaa00000000 | (gpa & 0xfffff)};
  exit.gpa = GuestPhysAddr{gpa};
  exit.injection = vmm::Injection::kKvm;
  exit.held = true;
  return exit;
}

class HoldTest : public InterposerProcessTest {
 protected:
  void NotifierServesAGuest() {
    GuestBoots();
    NotifierServes();
    Until("the guest is in step", [this] { return guest_.synced(); });
  }
  void NotifierServes() {
    StartNotifier();
    InterposerAttaches();
    Until("verdicts are offered", [this] { return ring().OffersVerdicts(); });
  }
  void AgentHangs() { guest_.set_answering(false); }
  void AgentSays(protocol::Outcome outcome) {
    const protocol::PoisonEntry& entry = guest_.entries_heard().back();
    protocol::VerdictRecord record;
    record.id = entry.id;
    record.range = entry.range;
    record.outcome = outcome;
    if (outcome == protocol::Outcome::kDeferred) record.next_try = 1000ms;
    guest_.Say(protocol::Verdict{{record}});
  }

  // For as long as the test's patience lasts: what ends it is not time.
  void VcpuIsHeld(const vmm::SeaExit& exit) {
    Publishes(exit);
    vcpu_ = std::async(std::launch::async, [this] { return Hold(kPatience); });
  }
  HoldEnd Hold(microseconds patience) {
    return vmm::HoldForVerdict(ring(), 0, patience, nullptr, SystemClock());
  }
  HoldEnd End() {
    Until("the vCPU goes on", [this] { return vcpu_.wait_for(0s) == std::future_status::ready; });
    return vcpu_.get();
  }

  std::future<HoldEnd> vcpu_;
};

TEST_F(HoldTest, EndsWithTheGuestsVerdictAndAtOnceWhereItIsKnown) {
  NotifierServesAGuest();
  AgentHangs();
  VcpuIsHeld(HeldExit(kPage));
  Until("the guest hears of the page", [this] { return GuestHeard(kPage); });
  EverythingIsRecorded();
  EXPECT_NE(std::future_status::ready, vcpu_.wait_for(0s)) << "it does not wait for the disk";
  AgentSays(protocol::Outcome::kRetired);
  EXPECT_EQ(HoldEnd::kVerdict, End());
  VcpuIsHeld(HeldExit(kPage + 8));
  EXPECT_EQ(HoldEnd::kVerdict, End()) << "the guest says nothing, and the notifier knows";
  EXPECT_EQ(2, StatusOf("/vms/0/events/holds_begun"));
  EXPECT_EQ(2, StatusOf("/vms/0/events/holds_answered"));
  EXPECT_EQ(0, StatusOf("/vms/0/events/holds_timed_out"));
  StopNotifier();
}

TEST_F(HoldTest, EndsWhateverTheGuestsLastWordIs) {
  NotifierServesAGuest();
  AgentHangs();
  VcpuIsHeld(HeldExit(kPage));
  Until("the guest hears of the page", [this] { return GuestHeard(kPage); });
  AgentSays(protocol::Outcome::kInKernel);
  EXPECT_EQ(HoldEnd::kVerdict, End());
  VcpuIsHeld(HeldExit(kPage + 0x1000));
  Until("the guest hears of the next", [this] { return GuestHeard(kPage + 0x1000); });
  AgentSays(protocol::Outcome::kDeferred);
  EXPECT_EQ(HoldEnd::kNone, End()) << "not its last word, and it takes its time";
  StopNotifier();
}

TEST_F(HoldTest, IsNoneWhereNoVerdictCanCome) {
  NotifierServes();
  VcpuIsHeld(HeldExit(kPage));
  EXPECT_EQ(HoldEnd::kNone, End()) << "no agent is there";
  vmm::SeaExit unlocated = HeldExit(0);
  unlocated.flags = 0;
  VcpuIsHeld(unlocated);
  EXPECT_EQ(HoldEnd::kNone, End()) << "nothing to retire";
  StopNotifier();
}

TEST_F(HoldTest, OutlivesANotifierThatIsKilledInTheMiddle) {
  NotifierServesAGuest();
  AgentHangs();
  Publishes(HeldExit(kPage));
  Until("the guest hears of the page", [this] { return GuestHeard(kPage); });
  KillNotifier();
  EXPECT_EQ(HoldEnd::kTimedOut, Hold(microseconds(2000)));
  StartNotifier();
  Until("the next one serves", [this] { return vmm_keeper().state().attach_count == 2; });
  guest_.set_answering(true);
  Until("the guest is asked again",
        [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  VcpuIsHeld(HeldExit(kPage));
  EXPECT_EQ(HoldEnd::kVerdict, End());
  StopNotifier();
}

TEST_F(HoldTest, ServesTheLibraryWithinItsBound) {
  GuestBoots();
  StartNotifier();
  VmmAttaches(kVm, 1000000);
  Until("the guest is in step", [this] { return guest_.synced(); });
  VcpuConsumesPoison(kPage);
  Until("the page is retired", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  seaward_exit exit{};
  exit.struct_size = sizeof(exit);
  exit.flags = SEAWARD_EXIT_GPA_VALID;
  exit.esr = 0x92000010;
  exit.gpa = kPage;
  seaward_hold hold{
      .struct_size = sizeof(hold), .vcpus = 2, .pstate = 0, .immediate_exit = nullptr};
  // Busy machines take longer than a second now and then.
  Until("the vCPU is answered in time",
        [&] { return seaward_publish_and_hold(vmm_, &exit, &hold) == SEAWARD_HOLD_ANSWERED; });
  hold.vcpus = 1;
  EXPECT_EQ(SEAWARD_NOT_HELD, seaward_publish_and_hold(vmm_, &exit, &hold));
  hold = {.struct_size = sizeof(hold), .vcpus = 2, .pstate = 5, .immediate_exit = nullptr};
  EXPECT_EQ(SEAWARD_NOT_HELD, seaward_publish_and_hold(vmm_, &exit, &hold)) << "the kernel's";
  StopNotifier();
}

TEST_F(HoldTest, IsNotOfferedWhileTheNotifierIsDrained) {
  NotifierServes();
  Ask({{"op", "drain"}, {"wait_s", 60}});
  EXPECT_FALSE(ring().OffersVerdicts());
  Ask({{"op", "drain"}, {"end", true}});
  EXPECT_TRUE(ring().OffersVerdicts());
  StopNotifier();
}

}  // namespace
}  // namespace seaward
