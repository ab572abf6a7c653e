// The two kinds of domain: device tree without GHES, and UEFI/ACPI with ras=on. They differ in what
// becomes of a page that the host retires under a running VM (docs/CONTRACT.md, host_retire).
#include <gtest/gtest.h>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kSettles{120};

class DomainKinds : public LabFixture {
 protected:
  // Waits for a word about the one page of `guest`.
  void ExpectPage(const NestedGuest& guest, const char* key, const Json& value) {
    Json page;
    const auto is = [&] {
      page = PageOf(guest);
      return page.is_object() && page.at(key) == value;
    };
    EXPECT_TRUE(seaward::testing::WaitUntil(is, kSettles)) << key << ": " << page.dump(1);
  }
};

TEST_F(DomainKinds, WithoutGhesTheHostKeepsThePageUntilTheVmEnds) {
  NestedGuest* guest = StartGuest({.name = "plain"});
  ASSERT_NE(guest, nullptr);
  const auto victim = ConsumeOnce(*guest);
  ASSERT_TRUE(victim);
  ExpectPage(*guest, "outcome", "retired");
  EXPECT_EQ(PageOf(*guest).at("host_retired"), "pending");
  const auto before = CorruptedInHost(*lab_);
  ASSERT_TRUE(before);
  ASSERT_TRUE(guest->Destroy());
  guests_.clear();
  EXPECT_TRUE(WaitRetiredInHost(*lab_, *before));
}

TEST_F(DomainKinds, WithGhesTheHostRetiresAtTheVerdictAndTheGuestLivesOn) {
  NestedGuest* guest = StartGuest({.name = "ghes", .board = Board::kAcpiGhes, .inject = "kvm"});
  ASSERT_NE(guest, nullptr);
  const auto victim = ConsumeOnce(*guest);
  ASSERT_TRUE(victim);
  ExpectPage(*guest, "outcome", "retired");
  ExpectPage(*guest, "host_retired", "yes");
  auto handout = TakeAllMemory(*lab_, *guest);
  ASSERT_TRUE(handout) << handout.error().Text();
  EXPECT_GT(handout->pages, 0u);
}

}  // namespace
}  // namespace seaward::lab

int main(int argc, char** argv) {
  if (seaward::lab::MustSkip()) return 0;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
