// A frame of a guest's memory that the host's own kernel takes away: its trace names it, the
// notifier finds the VM and the guest's page behind it, and the guest is told
// (docs/ARCHITECTURE.md, frames that the host names). Here an operator's hard_offline_page is the
// host's kernel finding it bad.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kShort{60};

class HostFrame : public LabFixture {
 protected:
  void HostRetires(HostPhysAddr frame) {
    const auto offlined =
        lab_->host().Shell(fmt::format("echo {} > /sys/devices/system/memory/hard_offline_page",
                                       FormatAddress(frame.value)),
                           kShort);
    ASSERT_TRUE(offlined) << offlined.error().Text();
  }
  // Of `seawardctl status`.
  std::uint64_t HostErrors(const char* what) {
    auto status = lab_->Seawardctl("status");
    EXPECT_TRUE(status) << status.error().Text();
    return status ? status->at("host_errors").at(what).get<std::uint64_t>() : 0;
  }
  bool HasSource(const NestedGuest& guest, const std::string& source) {
    auto events = lab_->Seawardctl("events --vm " + guest.name());
    if (!events) return false;
    for (const Json& event : events->at("events"))
      if (event.at("source") == source && event.at("location") == "located") return true;
    return false;
  }
};

TEST_F(HostFrame, APageThatTheGuestHasRetiredIsToldAgainAndNothingElseHappens) {
  NestedGuest* guest = StartGuest({.name = "retired"});
  ASSERT_NE(guest, nullptr);
  ASSERT_TRUE(ConsumeOnce(*guest));
  const Json page = ExpectPage(*guest, "life", "retired");
  ASSERT_NO_FATAL_FAILURE(HostRetires(RecordedFrame(page)));
  EXPECT_TRUE(testing::WaitUntil([&] { return HasSource(*guest, "host_kernel"); }, kSettles));
  const Json after = PageOf(*guest);
  EXPECT_EQ(after.at("id"), page.at("id")) << "the page that it was";
  EXPECT_EQ(after.at("life"), "retired");
  EXPECT_EQ(after.at("located_by"), "gpa");
  const auto state = StateOf(*lab_, "retired");
  ASSERT_TRUE(state) << state.error().Text();
  EXPECT_TRUE(state->starts_with("running")) << "nobody touches a retired page: " << *state;
}

TEST_F(HostFrame, APageThatNobodyKnewOfIsToldToTheGuestWhichRetiresIt) {
  NestedGuest* guest = StartGuest({.name = "latent"});
  ASSERT_NE(guest, nullptr);
  auto victim = StartVictim(*lab_, *guest, {});
  ASSERT_TRUE(victim) << victim.error().Text();
  ASSERT_NO_FATAL_FAILURE(HostRetires(victim->backing));
  const Json page = ExpectPage(*guest, "life", "retired");
  EXPECT_EQ(page.at("gpa"), FormatAddress(victim->page.value));
  EXPECT_EQ(page.at("evidence"), "latent");
  EXPECT_EQ(RecordedFrame(page).value, victim->backing.value);
  EXPECT_TRUE(HasSource(*guest, "host_kernel"));
}

// What the notifier retires itself comes back from the kernel, and is no news.
TEST_F(HostFrame, AnEchoOfTheNotifiersOwnRetirementIsNoEvent) {
  NestedGuest* guest = StartGuest({.name = "ended"});
  ASSERT_NE(guest, nullptr);
  ASSERT_TRUE(ConsumeOnce(*guest));
  const std::string id = ExpectPage(*guest, "life", "retired").at("id").dump();
  const std::uint64_t before = HostErrors("echoes");
  const auto corrupted = CorruptedInHost(*lab_);
  ASSERT_TRUE(corrupted);
  EXPECT_TRUE(guest->Destroy());
  ASSERT_TRUE(WaitRetiredInHost(*lab_, *corrupted));
  EXPECT_TRUE(testing::WaitUntil([&] { return HostErrors("echoes") > before; }, kSettles));
  EXPECT_FALSE(HasSource(*guest, "host_kernel")) << "page " << id;
  guests_.clear();
}

}  // namespace
}  // namespace seaward::lab
