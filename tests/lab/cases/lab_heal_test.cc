// heal: the VMM puts a sound page in the place of a bad one (docs/ARCHITECTURE.md), on real exits.
#include <gtest/gtest.h>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

class Heal : public LabFixture {
 protected:
  bool MayMigrate(const NestedGuest& guest) {
    auto answer =
        lab_->host().Shell("/seaward/bin/seawardctl can-migrate " + guest.name(), kGuestWork);
    return answer.has_value();
  }
  // The notifier knows of no bad page any more.
  void ExpectHealed(const NestedGuest& guest) {
    EXPECT_TRUE(testing::WaitUntil([&] { return MayMigrate(guest); }, kSettles));
    EXPECT_EQ(PageOf(guest), Json()) << "a cleared page is none that status shows";
  }
};

TEST_F(Heal, AsSoonAsItIsRetiredThePageIsReplacedAndTheVmIsSafeToMigrateAndToReboot) {
  ASSERT_NO_FATAL_FAILURE(WithNotifier({.more = "heal: when_retired\n"}));
  NestedGuest* guest = StartGuest({.name = "healed"});
  ASSERT_NE(guest, nullptr);
  const auto victim = ConsumeOnce(*guest);
  ASSERT_TRUE(victim);
  ExpectHealed(*guest);
  ExpectOtherBacking(*guest, victim->page, victim->backing);
  ASSERT_TRUE(guest->Reset());
  ASSERT_TRUE(guest->WaitUp(kGuestUp));
  ExpectAllMemorySound(*guest, victim->page);
  EXPECT_FALSE(IsGivenToAnybodyInTheHost(victim->backing));
}

TEST_F(Heal, AtTheResetThePageIsReplacedBeforeTheGuestBoots) {
  ASSERT_NO_FATAL_FAILURE(WithNotifier({.more = "heal: at_reset\n"}));
  NestedGuest* guest = StartGuest({.name = "reborn"});
  ASSERT_NE(guest, nullptr);
  const auto victim = ConsumeOnce(*guest);
  ASSERT_TRUE(victim);
  ExpectPage(*guest, "outcome", "retired");
  EXPECT_FALSE(MayMigrate(*guest));
  ASSERT_TRUE(guest->Reset());
  ASSERT_TRUE(guest->WaitUp(kGuestUp));
  ExpectHealed(*guest);
  ExpectOtherBacking(*guest, victim->page, victim->backing);
  ExpectAllMemorySound(*guest, victim->page);
  EXPECT_FALSE(IsGivenToAnybodyInTheHost(victim->backing));
}

}  // namespace
}  // namespace seaward::lab
