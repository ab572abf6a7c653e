// A table-walk abort's suspected place through the whole notifier.
#include "host-notifier/app/notifier_process_fixture.h"
#include "host-notifier/vmm/attached_vm.h"

namespace seaward {
namespace {

constexpr std::uint64_t kTable = 0x40711000;
constexpr std::uint64_t kGva = 0xffff800012345000;

class WalkedExitTest : public NotifierProcessTest {
 protected:
  void InterposerAttaches() {
    vmm::AttachOptions options;
    options.socket_path = dir_ / "attach.sock";
    options.claimed_vm = *ParseUuid(kVm);
    auto attached = vmm::AttachedVm::Start(options, [](LogLevel, std::string_view) {});
    ASSERT_TRUE(attached) << attached.error().Text();
    vm_ = std::move(*attached);
  }
  void TableWalkFails(std::uint64_t gva) {
    vmm::SeaExit exit;
    exit.when = SystemClock().Now();
    exit.esr = 0x92000017;
    exit.gva = GuestVirtAddr{gva};
    exit.gpa = GuestPhysAddr{kTable};
    exit.walked = true;
    vm_->ring().Publish(0, exit);
  }
  void EverythingIsRecorded() {
    Until("the ledger has every exit", [this] {
      const auto ring = vm_->ring().counters();
      return ring.published != 0 && ring.waiting == 0;
    });
  }

 private:
  std::unique_ptr<vmm::AttachedVm> vm_;
};

TEST_F(WalkedExitTest, IsShownAndLeftAloneUntilASecondEventConfirmsIt) {
  GuestBoots();
  StartNotifier();
  InterposerAttaches();
  TableWalkFails(kGva);
  EverythingIsRecorded();
  EXPECT_EQ(1, StatusOf("/vms/0/events/suspected"));
  EXPECT_EQ(0, StatusOf("/vms/0/events/located"));
  EXPECT_TRUE(StatusOf("/vms/0/pages").empty());
  const Json event = Ask({{"op", "events"}})["events"][0];
  EXPECT_EQ("suspected", event["location"]);
  EXPECT_EQ("walk", event["located_by"]);
  EXPECT_EQ("0x40711000", event["gpa"]);
  EXPECT_FALSE(GuestHeard(kTable));

  TableWalkFails(kGva + 0x1000);
  Until("the guest hears of the table", [this] { return GuestHeard(kTable); });
  Until("the ledger has the verdict",
        [this] { return StatusOf("/vms/0/pages/0/life") == "retired"; });
  EXPECT_EQ("walk", StatusOf("/vms/0/pages/0/located_by"));
  StopNotifier();
}

}  // namespace
}  // namespace seaward
