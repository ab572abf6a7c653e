// The notifier as a process, a scripted guest, and a VMM with real memory that replaces its pages
// as the interposer does. Only root learns which frame is behind a page.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>

#include "base/file_io.h"
#include "host-notifier/app/interposer_process_fixture.h"
#include "host-notifier/vmm/own_pages.h"

namespace seaward {

// Replaces what it is told to, or answers what the test wants.
class TestVmm final : public vmm::HealOrderTaker {
 public:
  vmm::HealAnswer Take(const vmm::HealOrder& order) noexcept override {
    Remember(order);
    ++orders;
    if (lie != vmm::HealResult::kReplaced) return {order.id, lie};
    if (order.when == vmm::HealWhen::kAtReset) return {order.id, vmm::HealResult::kStanding};
    if (works) vmm::SetAside({.address = order.host, .refusal = {}}, kPoisonGranule);
    return {order.id, vmm::HealResult::kReplaced};
  }
  std::vector<vmm::HealAnswer> TakeResults() noexcept override {
    const vmm::HealOrder order = LastOrder();
    vmm::SetAside({.address = order.host, .refusal = {}}, kPoisonGranule);
    return {{order.id, vmm::HealResult::kReplaced}};
  }
  void ForgetOrders() noexcept override { ++forgotten; }
  std::optional<GuestPhysAddr> GuestAddressOf(HostVirtAddr) noexcept override { return {}; }

  vmm::HealResult lie = vmm::HealResult::kReplaced;
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
  static constexpr std::uint64_t kGpa = 0x40711000;

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

}  // namespace seaward
