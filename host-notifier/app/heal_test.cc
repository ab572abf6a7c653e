// A bad page through the whole notifier until it is good memory again, or why it is not.
#include "host-notifier/app/heal_process_fixture.h"

namespace seaward {
namespace {

using vmm::HealResult;

class WhenRetired : public HealTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(WhenRetired, APageIsGoodMemoryAgain) {
  NotifierServes(std::string(GetParam()) + "heal: when_retired\n", &vmm_with_memory_);
  EXPECT_EQ("when_retired", StatusOf("/heal"));
  PageGoesBad();
  Until("the guest hears of it", [this] { return GuestHeard(kGpa); });
  PageIsHealed();
  EXPECT_EQ(vmm_with_memory_.LastOrder().when, vmm::HealWhen::kNow);
  EXPECT_EQ(vmm_with_memory_.orders, 1);
  // The next boot has nothing to keep away from.
  const std::size_t heard = guest_.entries_heard().size();
  guest_.Reboot(protocol::testing::NumberedUuid(2));
  guest_.SayHello();
  Until("the next boot is in step", [this] { return guest_.synced(); });
  EXPECT_EQ(guest_.entries_heard().size(), heard);
  StopNotifier();
}

std::string HostOf(const ::testing::TestParamInfo<const char*>& row) {
  constexpr const char* kNames[] = {"NoGhes", "Ghes", "RetiredAtEnd"};
  return kNames[row.index];
}
INSTANTIATE_TEST_SUITE_P(OnEveryHost, WhenRetired,
                         ::testing::Values("    has_ghes: false\n", "    has_ghes: true\n",
                                           "host_retire: at_end\n"),
                         HostOf);

TEST_F(HealTest, AtResetAPageIsGoodMemoryBeforeTheNextBoot) {
  NotifierServes("heal: at_reset\n", &vmm_with_memory_);
  PageGoesBad();
  Until("the order stands", [this] { return StatusOf("/vms/0/pages/0/heal") == "ordered"; });
  Until("the guest answers", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  EXPECT_EQ(memory_[kPage], 0x5a);
  EXPECT_EQ("", RetiredInHost());
  vmm_keeper().Wake();  // the guest was reset
  PageIsHealed();
}

TEST_F(HealTest, off) {
  NotifierServes("heal: off\n", &vmm_with_memory_);
  PageGoesBad();
  Until("the guest answers", [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  EXPECT_EQ("no", StatusOf("/vms/0/pages/0/heal"));
  EXPECT_EQ(vmm_with_memory_.orders, 0);
  EXPECT_EQ(StatusOf("/vms/0/migration/safe"), false);
}

TEST_F(HealTest, off_ForALibraryThatTakesNoOrders) {
  NotifierServes("heal: when_retired\n", nullptr);
  PageGoesBad();
  RefusalShows("off");
  InterposerLeaves();
  InterposerAttaches(&vmm_with_memory_);
  PageIsHealed();
}

TEST_F(HealTest, host_not_retired) {
  NotifierServes("heal: when_retired\n", &vmm_with_memory_);
  vmm::SeaExit exit;  // the VMM does not know where it is
  exit.flags = vmm::kSeaFlagGpaValid;
  exit.esr = 0x92000010;
  exit.gpa = GuestPhysAddr{kGpa};
  Publishes(exit);
  RefusalShows("host_not_retired");
  EXPECT_EQ(vmm_with_memory_.orders, 0);
}

TEST_F(HealTest, not_replaced) {
  vmm_with_memory_.works = false;
  NotifierServes("heal: when_retired\n", &vmm_with_memory_);
  PageGoesBad();
  RefusalShows("not_replaced");
  EXPECT_EQ("", RetiredInHost());
}

// Whatever the VMM says, in the words of its own refusals.
TEST_F(HealTest, EveryRefusalOfTheVmmShowsByItsWord) {
  vmm_with_memory_.lie = HealResult::kVfio;
  NotifierServes("    has_ghes: true\nheal: when_retired\n", &vmm_with_memory_);
  PageGoesBad();
  RefusalShows("vfio");
  Until("the frame is retired as without healing",
        [this] { return StatusOf("/vms/0/pages/0/host_retired") == "yes"; });
  for (const HealResult refusal : vmm::kAllHealRefusals) {
    vmm_with_memory_.lie = refusal;
    InterposerLeaves();
    InterposerAttaches(&vmm_with_memory_);
    RefusalShows(std::string(vmm::ToString(refusal)));
  }
  EXPECT_GE(vmm_with_memory_.forgotten, 1) << "orders end with the connection";
}

TEST_F(HealTest, AVmmThatSpeaksUnaskedIsHungUpOn) {
  NotifierServes("heal: at_reset\n", &vmm_with_memory_);
  vmm_with_memory_.Remember({.id = 99, .page = {}, .host = {}});
  vmm_keeper().Wake();
  Until("it attached anew", [this] { return vmm_keeper().state().attach_count == 2; });
  EXPECT_TRUE(Logged("event=heal_answer_unasked"));
}

// The VMM did as it was told; the notifier died before it heard of it.
TEST_F(HealTest, AnAnswerThatWasLostIsFoundInThePageTable) {
  NotifierServes("heal: at_reset\n", &vmm_with_memory_);
  PageGoesBad();
  Until("the order stands", [this] { return StatusOf("/vms/0/pages/0/heal") == "ordered"; });
  KillNotifier();
  vmm_with_memory_.TakeResults();
  StartNotifier();
  PageIsHealed();
  EXPECT_EQ(vmm_with_memory_.orders, 1);
}

}  // namespace
}  // namespace seaward
