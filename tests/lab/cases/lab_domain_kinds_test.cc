// The two kinds of domain: device tree without GHES, and UEFI/ACPI with ras=on. They differ in what
// becomes of a page that the host retires under a running VM (docs/CONTRACT.md, host_retire). And
// what `host_retire` is for: the frame is given to nobody afterwards.
#include <gtest/gtest.h>

#include "tests/lab/cases/lab_fixture.h"
#include "tests/support/wait_until.h"

namespace seaward::lab {
namespace {

constexpr std::chrono::seconds kOneTry{5};

class DomainKinds : public LabFixture {
 protected:
  // A VM lives its life: a page of it goes bad and is retired in it; the VM ends.
  HostPhysAddr LifeOfAVm(const std::string& name) {
    NestedGuest* guest = StartGuest({.name = name});
    if (guest == nullptr || !ConsumeOnce(*guest)) return {};
    const Json page = ExpectPage(*guest, "outcome", "retired");
    EXPECT_EQ(page.at("host_retired"), "pending");
    EXPECT_TRUE(guest->Destroy());
    guests_.clear();
    return RecordedFrame(page);
  }
};

TEST_F(DomainKinds, WithoutGhesTheHostRetiresWhenTheVmEndsAndNobodyIsGivenTheFrame) {
  const auto before = CorruptedInHost(*lab_);
  ASSERT_TRUE(before);
  const HostPhysAddr frame = LifeOfAVm("plain");
  ASSERT_NE(frame.value, 0u);
  ASSERT_TRUE(WaitRetiredInHost(*lab_, *before));
  EXPECT_FALSE(IsGivenToAnybodyInTheHost(frame));
}

TEST_F(DomainKinds, ControlWithHostRetireOffTheFrameIsGivenToTheNext) {
  ASSERT_NO_FATAL_FAILURE(WithNotifier({.host_retire = "off"}));
  const HostPhysAddr frame = LifeOfAVm("careless");
  ASSERT_NE(frame.value, 0u);
  EXPECT_TRUE(IsGivenToAnybodyInTheHost(frame));
}

// QEMU gives the guest other memory for the page at its reset.
TEST_F(DomainKinds, WithGhesTheHostRetiresAtTheVerdictAndTheNextBootHasAGoodPage) {
  NestedGuest* guest = StartGuest({.name = "ghes", .board = Board::kAcpiGhes, .inject = "kvm"});
  ASSERT_NE(guest, nullptr);
  const auto victim = ConsumeOnce(*guest);
  ASSERT_TRUE(victim);
  const HostPhysAddr frame = RecordedFrame(ExpectPage(*guest, "host_retired", "yes"));
  EXPECT_EQ(PageOf(*guest).at("outcome"), "retired");
  auto handout = TakeAllMemory(*lab_, *guest, victim->page);
  ASSERT_TRUE(handout) << handout.error().Text();
  EXPECT_FALSE(handout->bad_frame_given);

  ASSERT_TRUE(guest->Reset());
  ASSERT_TRUE(guest->WaitUp(kGuestUp));
  ExpectAllMemorySound(*guest, victim->page);
  ExpectOtherBacking(*guest, victim->page, frame);
  EXPECT_FALSE(IsGivenToAnybodyInTheHost(frame));
}

// Why `auto` waits for the end of such a VM.
TEST_F(DomainKinds, WithoutGhesAPageRetiredAtTheVerdictEndsTheVmAtTheNextTouch) {
  ASSERT_NO_FATAL_FAILURE(WithNotifier({.host_retire = "after_verdict"}));
  NestedGuest* guest = StartGuest({.name = "hasty"});
  ASSERT_NE(guest, nullptr);
  const auto victim = ConsumeOnce(*guest);
  ASSERT_TRUE(victim);
  ExpectPage(*guest, "host_retired", "yes");
  EXPECT_TRUE(StateOf(*lab_, "hasty")->starts_with("running")) << "nobody has touched the page yet";
  // A boot that nobody tells of the page, because no notifier is there.
  ASSERT_TRUE(lab_->notifier().Kill());
  ASSERT_TRUE(guest->Reset());
  // Somebody touches it: the boot itself, or whoever uses all memory. A transient domain goes with
  // its QEMU.
  bool up = false;
  const auto gone = [&] {
    const auto state = StateOf(*lab_, "hasty");
    return state && *state == "gone";
  };
  const auto up_or_gone = [&] {
    up = guest->WaitUp(kOneTry).has_value();
    return up || gone();
  };
  ASSERT_TRUE(testing::WaitUntil(up_or_gone, kGuestUp));
  if (up) {
    const auto taken = TakeAllMemory(*lab_, *guest, victim->page, kSettles);
    EXPECT_FALSE(taken) << "the guest lived on";
  }
  EXPECT_TRUE(testing::WaitUntil(gone, kSettles));
  guests_.clear();
  auto again = lab_->StartNotifier({});
  EXPECT_TRUE(again) << again.error().Text();
}

}  // namespace
}  // namespace seaward::lab
