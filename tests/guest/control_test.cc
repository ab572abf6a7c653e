// What an unguarded guest does: the other half of every claim.
#include "tests/guest/guarded_guest.h"

namespace seaward::testing {
namespace {

class UnguardedGuest : public GuardedGuest {
 protected:
  void SetUp() override {
    auto guest = bench->Control();
    ASSERT_TRUE(guest.has_value()) << guest.error().Text();
    guest_ = *guest;
  }
};

TEST_F(UnguardedGuest, ReusesARetiredFrameAfterAReboot) {
  const GuestPhysAddr page = FreePage();
  auto wrote =
      guest().shell().Ask("write", {{"path", "/sys/devices/system/memory/hard_offline_page"},
                                    {"text", FormatAddress(page.value)}});
  ASSERT_TRUE(wrote.has_value()) << wrote.error().Text();
  ASSERT_TRUE(HasFlag(page, "HWPOISON"));

  auto reset = guest().Reset();
  ASSERT_TRUE(reset.has_value()) << reset.error().Text();

  EXPECT_FALSE(HasFlag(page, "HWPOISON")) << "the kernel has forgotten";
  auto handout = guest().TakeAllMemory(page);
  ASSERT_TRUE(handout.has_value()) << handout.error().Text();
  EXPECT_TRUE(handout->given) << "of " << handout->pages << " pages";
}

}  // namespace
}  // namespace seaward::testing
