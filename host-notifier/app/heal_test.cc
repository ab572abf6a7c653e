// A bad page through the whole notifier until it is good memory again: the real daemon, a scripted
// guest, and a VMM with real memory that replaces its pages as the interposer does. Only root
// learns which frame is behind a page; for everybody else every heal is refused.
#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>

#include "base/file_io.h"
#include "host-notifier/app/interposer_process_fixture.h"
#include "host-notifier/vmm/own_pages.h"

namespace seaward {
namespace {

using vmm::HealResult;

constexpr std::uint64_t kGpa = 0x40711000;

// Replaces what it is told to, or answers what the test wants.
class TestVmm final : public vmm::HealOrderTaker {
 public:
  vmm::HealAnswer Take(const vmm::HealOrder& order) noexcept override {
    Remember(order);
    ++orders;
    if (lie != HealResult::kReplaced) return {order.id, lie};
    if (order.when == vmm::HealWhen::kAtReset) return {order.id, HealResult::kStanding};
    if (works) vmm::SetAside({.address = order.host, .refusal = {}}, kPoisonGranule);
    return {order.id, HealResult::kReplaced};
  }
  std::vector<vmm::HealAnswer> TakeResults() noexcept override {
    const vmm::HealOrder order = LastOrder();
    vmm::SetAside({.address = order.host, .refusal = {}}, kPoisonGranule);
    return {{order.id, HealResult::kReplaced}};
  }
  void ForgetOrders() noexcept override { ++forgotten; }

  HealResult lie = HealResult::kReplaced;
  bool works = true;
  std::atomic<int> orders{0};
  std::atomic<int> forgotten{0};

  void Remember(const vmm::HealOrder& order) {
    const std::lock_guard lock(mutex_);
    last_order_ = order;
  }
  vmm::HealOrder LastOrder() {
    const std::lock_guard lock(mutex_);
    return last_order_;
  }

 private:
  std::mutex mutex_;
  vmm::HealOrder last_order_;
};

class HealTest : public InterposerProcessTest {
 protected:
  static constexpr std::size_t kPage = 4096;

  HealTest()
      : memory_(static_cast<char*>(::mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    std::memset(memory_, 0x5a, 3 * kPage);
  }
  ~HealTest() override {
    InterposerLeaves();
    ::munmap(memory_, 3 * kPage);
  }
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root learns which frame is behind a page";
  }

  void NotifierServes(const std::string& more, vmm::HealOrderTaker* orders) {
    Configure("none", more);
    GuestBoots();
    StartNotifier();
    InterposerAttaches(orders);
    Until("the guest is in step", [this] { return guest_.synced(); });
  }
  // The middle one of three pages.
  void PageGoesBad() {
    vmm::SeaExit exit;
    exit.flags = vmm::kSeaFlagGpaValid;
    exit.esr = 0x92000010;
    exit.gpa = GuestPhysAddr{kGpa};
    exit.hva = HostVirtAddr{std::bit_cast<std::uintptr_t>(memory_ + kPage)};
    exit.injection = vmm::Injection::kKvm;
    Publishes(exit);
    EverythingIsRecorded();
  }
  void RefusalShows(const std::string& reason) {
    Until(("it is refused: " + reason).c_str(),
          [&] { return StatusOf("/vms/0/pages/0/heal_reason") == reason; });
    EXPECT_EQ("refused", StatusOf("/vms/0/pages/0/heal"));
    EXPECT_EQ(StatusOf("/vms/0/migration/safe"), false);
    EXPECT_EQ(StatusOf("/vms/0/heals/healed"), 0);
  }
  void PageIsHealed() {
    Until("the page is cleared",
          [this] { return Count("SELECT count(*) FROM page WHERE life = 'cleared'") == 1; });
    EXPECT_EQ(Count("SELECT count(*) FROM page WHERE heal = 'healed'"), 1);
    EXPECT_EQ(Count("SELECT count(*) FROM page WHERE host_retired = 'yes'"), 1);
    EXPECT_EQ("0x", RetiredInHost().substr(0, 2));
    Until("the VM is safe to migrate",
          [this] { return StatusOf("/vms/0/migration/safe") == true; });
    EXPECT_EQ(Ask({{"op", "can_migrate"}, {"vm", "web"}})["safe"], true);
    EXPECT_EQ(StatusOf("/vms/0/heals/healed"), 1);
    EXPECT_EQ(memory_[0], 0x5a);
    EXPECT_EQ(memory_[kPage], 0);
    EXPECT_EQ(memory_[2 * kPage], 0x5a);
  }
  std::string RetiredInHost() { return ReadTextFile(dir_ / "hard_offline_page", 100).value(); }

  TestVmm vmm_with_memory_;
  char* const memory_;
};

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
