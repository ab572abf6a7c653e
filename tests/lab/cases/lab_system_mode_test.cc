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
  static void SetUpTestSuite() { StartLab(LibvirtMode::kSystem); }
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

}  // namespace
}  // namespace seaward::lab
