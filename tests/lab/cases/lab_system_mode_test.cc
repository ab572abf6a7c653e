// libvirt as distributions run it: the VMM as a user of its own, in a mount namespace and a seccomp
// sandbox.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lab/cases/lab_fixture.h"

namespace seaward::lab {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kQuestion{60};

class SystemMode : public LabFixture {
 protected:
  LibvirtMode libvirt() const override { return LibvirtMode::kSystem; }
  std::string Shell(const std::string& script) {
    auto text = lab_->host().Shell(script, kQuestion);
    EXPECT_TRUE(text) << text.error().Text();
    return text ? *text : std::string();
  }
};

TEST_F(SystemMode, AShutInVmmPublishesInjectsAndIsFollowedToItsEnd) {
  const auto before = CorruptedInHost(*lab_);
  ASSERT_TRUE(before);
  NestedGuest* guest = StartGuest({.name = "guarded"});
  ASSERT_NE(guest, nullptr);
  const std::string process = fmt::format("/proc/{}", guest->vmm());
  const std::string status = Shell("cat " + process + "/status");
  EXPECT_THAT(status, HasSubstr("Uid:\t64055"));
  EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
  EXPECT_NE(Shell("readlink " + process + "/ns/mnt"), Shell("readlink /proc/1/ns/mnt"));

  const ExitRow row = Consume(*guest, "system_mode", {});
  EXPECT_EQ(row.verdict, "retired");
  EXPECT_EQ(row.injection, "kvm");
  EXPECT_EQ(row.exits_observed, 1u);
  const HostPhysAddr frame = RecordedFrame(PageOf(*guest));
  EXPECT_EQ(frame, victim_.backing) << "seen through the namespace";
  ASSERT_TRUE(guest->Destroy());
  guests_.clear();
  const auto retired = WaitRetiredInHost(*lab_, *before);
  EXPECT_TRUE(retired) << retired.error().Text();
}

// One 4 KiB page of a 2 MiB page goes bad: the guest loses no more than that, the host the huge
// page of a VM that is gone; replacing it in the running VM would cost 511 good pages, and is
// refused.
TEST_F(SystemMode, OfAHugePageTheGuestLosesNoMoreThanTheBadPart) {
  constexpr int kHugePages = 100;
  const std::string reserved =
      Shell(fmt::format("echo {0} > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages; cat "
                        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
                        kHugePages));
  ASSERT_EQ(reserved, fmt::format("{}\n", kHugePages));
  ASSERT_NO_FATAL_FAILURE(WithNotifier({.more = "heal: when_retired\n"}));
  const auto before = CorruptedInHost(*lab_);
  ASSERT_TRUE(before);
  NestedGuest* guest = StartGuest({.name = "huge", .huge_pages = true});
  ASSERT_NE(guest, nullptr);
  const ExitRow row = Consume(*guest, "huge_page_backing", {});
  EXPECT_EQ(row.gpa, victim_.page.value);
  EXPECT_EQ(row.verdict, "retired");
  const Json page = ExpectPage(*guest, "heal", "refused");
  EXPECT_EQ(page.at("heal_reason"), "not_private_anonymous");
  EXPECT_EQ(page.at("length_bytes"), 4096);
  EXPECT_EQ(RecordedFrame(page), victim_.backing);
  ExpectAllMemorySound(*guest, victim_.page);
  ASSERT_TRUE(guest->Destroy());
  guests_.clear();
  const auto retired = WaitRetiredInHost(*lab_, *before);
  EXPECT_TRUE(retired) << retired.error().Text();
}

}  // namespace
}  // namespace seaward::lab
