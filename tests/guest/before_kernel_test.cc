// What the next kernel never gets: the list, the UEFI driver before it, and what happens where they
// cannot help. Real AAVMF (and OVMF: --machine=x86-64) with variables that last, real boot loaders.
#include <gmock/gmock.h>

#include "tests/guest/uefi_guest.h"

namespace seaward::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Uuid kAnotherVm = ParseUuid("5ea3a4d0-0000-4000-8000-00000000c0b1").value();

class BeforeKernel : public UefiGuest {
 protected:
  // One page that is bad and listed, and the driver in place; still in the boot that found it.
  GuestPhysAddr InstalledWithOnePage(const std::string& loader) {
    Boots(loader);
    if (HasFatalFailure()) throw std::runtime_error("the guest did not boot");
    const GuestPhysAddr page = RetiredPage();
    AwaitListWith(page);
    Install();
    return page;
  }
  void Install() {
    EXPECT_THAT(Agent({"install-boot", "--method", "efi-driver"}),
                HasSubstr("event=boot_method_installed method=efi-driver"));
  }
  // What the boot unit does once the daemon runs.
  std::string Sync() {
    // /var is forgotten with the boot here: what install-boot remembers is put back.
    auto kept = guest().shell().Ask("write", {{"path", "/var/lib/seaward/next-boot.method"},
                                              {"text", "efi-driver\n"},
                                              {"create", true}});
    EXPECT_TRUE(kept.has_value()) << kept.error().Text();
    return Agent({"sync-boot"});
  }
};

TEST_F(BeforeKernel, AListedPageIsOutsideOfTheNextKernelsMemory) {
  Boots("none");
  const GuestPhysAddr page = RetiredPage();
  // The control: a reboot without the driver gives the page to the kernel, and the early stage is
  // all there is.
  Reboots();
  ExpectRetiredByTheEarlyStage(page);
  EXPECT_THAT(EarlyStageSaid(), Not(HasSubstr("before_kernel")));
  AwaitListWith(page);
  Install();
  Reboots();
  ExpectKeptFromTheKernel(page);
  EXPECT_THAT(EarlyStageSaid(),
              HasSubstr("event=before_kernel result=applied listed=1 protected=1 boots=1"));
  // A page that is kept away stays listed.
  AwaitListWith(page);
  Sync();
  Reboots();
  ExpectKeptFromTheKernel(page);
  EXPECT_THAT(EarlyStageSaid(), HasSubstr("boots=1"));
  // Taken away again, nothing of it is left.
  EXPECT_THAT(Agent({"uninstall-boot"}), HasSubstr("boot_method_removed"));
  Reboots();
  ExpectRetiredByTheEarlyStage(page);
}

TEST_F(BeforeKernel, AListWhoseBootsFailTwiceIsSkippedTheThirdTime) {
  const GuestPhysAddr page = InstalledWithOnePage("none");
  for (const char* boots : {"boots=1", "boots=2"}) {
    Reboots();  // and nobody clears the count: as if the boot had ended before the daemon ran
    ExpectKeptFromTheKernel(page);
    EXPECT_THAT(EarlyStageSaid(), HasSubstr(boots));
  }
  Reboots();
  EXPECT_THAT(EarlyStageSaid(), HasSubstr("event=before_kernel result=failed_twice"));
  ExpectRetiredByTheEarlyStage(page);
  // An agent that runs does not bring it back, installing anew does.
  AwaitListWith(page);
  Sync();
  Reboots();
  EXPECT_THAT(EarlyStageSaid(), HasSubstr("result=failed_twice"));
  AwaitListWith(page);
  Install();
  Reboots();
  ExpectKeptFromTheKernel(page);
}

TEST_F(BeforeKernel, ACopyOfTheMachineIgnoresTheListThatCameWithIt) {
  const GuestPhysAddr page = InstalledWithOnePage("none");
  PowerCycles({.uuid = kAnotherVm});
  EXPECT_THAT(EarlyStageSaid(), HasSubstr("event=before_kernel result=other_machine"));
  EXPECT_TRUE(InSystemRam(page));
}

TEST_F(BeforeKernel, WithGrubBehindItAndWithTheVariablesLost) {
  const GuestPhysAddr page = InstalledWithOnePage("grub");
  Reboots();
  ExpectKeptFromTheKernel(page);
  // GRUB loads no driver: the early stage is the fallback, the next sync repairs and says so.
  AwaitListWith(page);
  PowerCycles({.forget_variables = true});
  ExpectRetiredByTheEarlyStage(page);
  EXPECT_THAT(EarlyStageSaid(), Not(HasSubstr("before_kernel")));
  AwaitListWith(page);
  EXPECT_THAT(Sync(), HasSubstr("event=boot_driver_registered_again"));
  Reboots();
  ExpectKeptFromTheKernel(page);
}

TEST_F(BeforeKernel, WithSystemdBootBehindItAndWithTheVariablesLost) {
  const GuestPhysAddr page = InstalledWithOnePage("systemd-boot");
  Reboots();
  ExpectKeptFromTheKernel(page);
  // systemd-boot loads the copy in its own folder.
  PowerCycles({.forget_variables = true});
  ExpectKeptFromTheKernel(page);
  EXPECT_THAT(EarlyStageSaid(), HasSubstr("result=applied listed=1 protected=1"));
}

TEST_F(BeforeKernel, GrubsBadramKeepsThePageAwayWithoutADriver) {
  Boots("grub");
  const GuestPhysAddr page = RetiredPage();
  AwaitListWith(page);
  // The folder of a distribution's GRUB; what its update-grub would make of the script is on the
  // ESP.
  auto folder = guest().shell().Ask(
      "mount", {{"type", "tmpfs"}, {"source", "none"}, {"folder", "/etc/grub.d"}});
  ASSERT_TRUE(folder.has_value()) << folder.error().Text();
  EXPECT_THAT(Agent({"install-boot", "--method", "grub"}), HasSubstr("method=grub"));
  Reboots();
  ExpectKeptFromTheKernel(page);
  EXPECT_THAT(EarlyStageSaid(), Not(HasSubstr("before_kernel")));
  // A copy of the machine sources the file as well, and it names another machine.
  PowerCycles({.uuid = kAnotherVm});
  EXPECT_TRUE(InSystemRam(page));
}

}  // namespace
}  // namespace seaward::testing
