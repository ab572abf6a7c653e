// A table-walk abort's suspected place through the whole notifier.
#include "host-notifier/app/interposer_process_fixture.h"

namespace seaward {
namespace {

constexpr std::uint64_t kTable = 0x40711000;
constexpr std::uint64_t kGva = 0xffff800012345000;

class WalkedExitTest : public InterposerProcessTest {
 protected:
  void TableWalkFails(std::uint64_t gva) {
    vmm::SeaExit exit;
    exit.esr = 0x92000017;
    exit.gva = GuestVirtAddr{gva};
    exit.gpa = GuestPhysAddr{kTable};
    exit.walked = true;
    Publishes(exit);
  }
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
