// A bad page stays out of use over reboots of the same guest.
#include "tests/guest/guarded_guest.h"

namespace seaward::testing {
namespace {

using RebootingGuest = GuardedGuest;

TEST_F(RebootingGuest, RetiresThePageAgainBeforeItsInitInEveryBoot) {
  const GuestPhysAddr page = FreePage();
  PublishExit(page);
  ExpectRetiredOnce(page);
  EXPECT_EQ(Verdict(page).stage, "run");

  auto rebooted = guest().RebootFromInside();
  ASSERT_TRUE(rebooted.has_value()) << rebooted.error().Text();
  ExpectRetiredOnce(page);
  EXPECT_EQ(Verdict(page).stage, "early");

  auto reset = guest().Reset();
  ASSERT_TRUE(reset.has_value()) << reset.error().Text();
  ExpectRetiredOnce(page);
  EXPECT_EQ(Verdict(page).stage, "early");
  auto handout = guest().TakeAllMemory(page);
  ASSERT_TRUE(handout.has_value()) << handout.error().Text();
  EXPECT_FALSE(handout->given);
}

TEST_F(RebootingGuest, DoesNotRetireAPredictedPageAgain) {
  const GuestPhysAddr page = FreePage();
  auto reported = host().Report(page, "predicted");
  ASSERT_TRUE(reported.has_value()) << reported.error().Text();
  ExpectRetiredOnce(page);
  const GuestPhysAddr witness = FreePage();
  PublishExit(witness);
  ExpectRetiredOnce(witness);

  auto reset = guest().Reset();
  ASSERT_TRUE(reset.has_value()) << reset.error().Text();
  ExpectRetiredOnce(witness);  // the replay is over
  EXPECT_FALSE(HasFlag(page, "HWPOISON"));
}

}  // namespace
}  // namespace seaward::testing
