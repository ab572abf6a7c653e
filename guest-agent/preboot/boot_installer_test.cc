#include "guest-agent/preboot/boot_installer.h"

#include <gmock/gmock.h>

#include "guest-agent/preboot/boot_root_fixture.h"
#include "guest-agent/preboot/driver_entry.h"

namespace seaward::agent {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kVars = "/sys/firmware/efi/efivars/";
const std::string kGlobal = "-" + std::string(kGlobalVendor);
const std::string kCounter = kVars + "SeawardBoots-" + nextboot::kVendorText;
const std::string kReport = kVars + "SeawardReport-" + nextboot::kVendorText;

class BootInstallerTest : public BootRoot {
 protected:
  BootInstaller Installer() { return BootInstaller(places_, log_); }
  Status Install(BootMethod method = BootMethod::kEfiDriver) { return Installer().Install(method); }
  void MustInstall(BootMethod method = BootMethod::kEfiDriver) {
    const auto done = Install(method);
    ASSERT_TRUE(done) << done.error().Text();
  }
  void MustSync() {
    const auto done = Installer().Sync();
    ASSERT_TRUE(done) << done.error().Text();
  }
  void DaemonLists(const std::vector<nextboot::ListedRange>& ranges, Uuid machine = kMachine) {
    ASSERT_TRUE(SaveList(places_.list, {machine, Uuid{}, ranges}));
  }
  std::vector<nextboot::ListedRange> OnEsp(const std::string& file = "pages.lst") const {
    const auto list = LoadList(root_ + "/esp/EFI/seaward/" + file);
    return list ? list->ranges : std::vector<nextboot::ListedRange>{{1, 1, 1}};
  }
  void DaemonRuns() { Holds("/run/running", ""); }
  void DriverReports(nextboot::BootResult result, const std::string& list_on_esp = "") {
    nextboot::BootReport report;
    report.result = result;
    if (!list_on_esp.empty()) {
      const auto bytes = ReadFile(list_on_esp, nextboot::kMaxListBytes).value();
      nextboot::BootListView view;
      ASSERT_EQ(view.Parse({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}),
                nextboot::ListError::kNone);
      report.list_checksum = view.checksum();
    }
    std::string text(nextboot::kMaxReportBytes, '\0');
    text.resize(nextboot::WriteReport(report, true, reinterpret_cast<uint8_t*>(text.data())));
    Holds(kReport, std::string("\6\0\0\0", 4) + text);
  }
};

TEST_F(BootInstallerTest, PutsTheDriverTheListAndTheFirmwaresEntryInPlace) {
  DaemonLists({{0x48000000, 2, 0}});
  MustInstall();
  EXPECT_EQ(TextOf("/esp/EFI/seaward/" + driver_name_), TextOf("/drivers/" + driver_name_));
  EXPECT_EQ(OnEsp(), (std::vector<nextboot::ListedRange>{{0x48000000, 2, 0}}));
  EXPECT_TRUE(Has(kVars + "Driver0000" + kGlobal));
  EXPECT_EQ(TextOf(kVars + "DriverOrder" + kGlobal), std::string("\7\0\0\0\0\0", 6));
  EXPECT_EQ(Installer().InstalledMethod(), BootMethod::kEfiDriver);
  EXPECT_FALSE(Has("/esp/EFI/systemd"));
}

TEST_F(BootInstallerTest, InstallingTwiceChangesNothing) {
  MustInstall();
  const auto entry = TextOf(kVars + "Driver0000" + kGlobal);
  const auto when = std::filesystem::last_write_time(root_ + kVars + "Driver0000" + kGlobal);
  MustInstall();
  EXPECT_EQ(TextOf(kVars + "Driver0000" + kGlobal), entry);
  EXPECT_EQ(std::filesystem::last_write_time(root_ + kVars + "Driver0000" + kGlobal), when);
  EXPECT_FALSE(Has(kVars + "Driver0001" + kGlobal));
  EXPECT_THAT(sink_.lines.back(), HasSubstr("changed=no"));
}

TEST_F(BootInstallerTest, SystemdBootGetsACopyOfItsOwn) {
  std::filesystem::create_directories(root_ + "/esp/EFI/systemd");
  MustInstall();
  EXPECT_EQ(TextOf("/esp/EFI/systemd/drivers/" + driver_name_), TextOf("/drivers/" + driver_name_));
}

TEST_F(BootInstallerTest, UninstallingLeavesNothing) {
  std::filesystem::create_directories(root_ + "/esp/EFI/systemd");
  DaemonLists({{0x48000000, 2, 0}});
  MustInstall();
  DaemonLists({{0x49000000, 2, 0}});
  MustSync();
  Holds(kCounter, std::string(12, '\7'));
  ASSERT_TRUE(Installer().Uninstall());
  for (const std::string& gone :
       {std::string("/esp/EFI/seaward"), std::string("/esp/EFI/systemd/drivers"), kCounter,
        kVars + "Driver0000" + kGlobal, kVars + "DriverOrder" + kGlobal,
        std::string("/lib/next-boot.method")})
    EXPECT_FALSE(Has(gone)) << gone;
  EXPECT_TRUE(Has("/lib/next-boot"));
  EXPECT_TRUE(Has(kVars + "Boot0000" + kGlobal));
  ASSERT_TRUE(Installer().Uninstall());
}

TEST_F(BootInstallerTest, RefusesAnUnsignedDriverUnderSecureBoot) {
  SecureBootIs(true);
  const auto refused = Install();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_THAT(refused.error().Text(), HasSubstr("not signed"));
  EXPECT_FALSE(Has("/esp/EFI/seaward"));
  HasDriver(true);
  MustInstall();
  const auto grub = Install(BootMethod::kGrub);
  ASSERT_FALSE(grub);
  EXPECT_EQ(grub.error().code, ErrorCode::kDenied);
  SecureBootIs(false);
  HasDriver(false);
  MustInstall();
}

TEST_F(BootInstallerTest, WarnsWhereATpmMeasuresTheBoot) {
  MustInstall();
  EXPECT_FALSE(sink_.Says("tpm_present"));
  Holds("/sys/class/tpm/tpm0", "");
  MustInstall();
  EXPECT_TRUE(sink_.Says("tpm_present"));
}

TEST_F(BootInstallerTest, SaysWhatIsMissing) {
  const BootPlaces good = places_;
  places_.esp = root_ + "/elsewhere";
  EXPECT_EQ(Install().error().code, ErrorCode::kInvalid);
  places_ = good;
  places_.machine = Uuid{};
  EXPECT_EQ(Install().error().code, ErrorCode::kUnsupported);
  places_ = good;
  Holds("/drivers/" + driver_name_, "no program");
  EXPECT_EQ(Install().error().code, ErrorCode::kInvalid);
  std::filesystem::remove(root_ + "/drivers/" + driver_name_);
  EXPECT_EQ(Install().error().code, ErrorCode::kNotFound);
  HasDriver(false);
  std::filesystem::remove_all(root_ + "/sys/firmware");
  EXPECT_EQ(Install().error().code, ErrorCode::kUnsupported);
  places_.grub_scripts = root_ + "/nowhere";
  EXPECT_EQ(Install(BootMethod::kGrub).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Installer().InstalledMethod(), BootMethod::kNone);
}

TEST_F(BootInstallerTest, SyncWithoutAMethodTouchesNothing) {
  DaemonLists({{0x48000000, 2, 0}});
  DaemonRuns();
  Holds(kCounter, std::string(12, '\7'));
  MustSync();
  EXPECT_FALSE(Has("/esp/EFI/seaward"));
  EXPECT_TRUE(Has(kCounter));
}

TEST_F(BootInstallerTest, SyncCarriesAChangedListAndKeepsTheOneBefore) {
  DaemonLists({{0x48000000, 1, 0}});
  MustInstall();
  DaemonLists({{0x48000000, 1, 0}, {0x49000000, 1, 0}});
  MustSync();
  EXPECT_EQ(OnEsp().size(), 2U);
  EXPECT_EQ(OnEsp("pages.old").size(), 1U);
  const auto when = std::filesystem::last_write_time(root_ + "/esp/EFI/seaward/pages.lst");
  MustSync();
  EXPECT_EQ(std::filesystem::last_write_time(root_ + "/esp/EFI/seaward/pages.lst"), when);
}

TEST_F(BootInstallerTest, ATornListOnTheEspIsReplacedAndNeverKept) {
  DaemonLists({{0x48000000, 1, 0}});
  MustInstall();
  DaemonLists({{0x48000000, 1, 0}, {0x49000000, 1, 0}});
  MustSync();
  Holds("/esp/EFI/seaward/pages.lst", TextOf("/esp/EFI/seaward/pages.lst").substr(0, 60));
  MustSync();
  EXPECT_EQ(OnEsp().size(), 2U);
  EXPECT_EQ(OnEsp("pages.old").size(), 1U);
}

// What a crash between two steps leaves: the temporary file, with the list as it was.
TEST_F(BootInstallerTest, AWriteThatWasCutOffIsMadeUpForByTheNextSync) {
  DaemonLists({{0x48000000, 1, 0}});
  MustInstall();
  Holds("/esp/EFI/seaward/pages.lst.new", "SWNB and then the power went");
  DaemonLists({{0x48000000, 1, 0}, {0x49000000, 1, 0}});
  MustSync();
  EXPECT_EQ(OnEsp().size(), 2U);
  EXPECT_FALSE(Has("/esp/EFI/seaward/pages.lst.new"));
}

TEST_F(BootInstallerTest, AFullEspLeavesTheOldListWhereItIs) {
  DaemonLists({{0x48000000, 1, 0}});
  MustInstall();
  // The temporary file cannot be made: its name is taken by a folder.
  std::filesystem::create_directories(root_ + "/esp/EFI/seaward/pages.lst.new");
  DaemonLists({{0x49000000, 1, 0}});
  EXPECT_FALSE(Installer().Sync());
  EXPECT_EQ(OnEsp(), (std::vector<nextboot::ListedRange>{{0x48000000, 1, 0}}));
}

TEST_F(BootInstallerTest, TheListOfAnotherMachineIsNotCarried) {
  MustInstall();
  DaemonLists({{0x48000000, 1, 0}}, Uuid{{std::byte{9}}});
  const auto refused = Installer().Sync();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().Text(), HasSubstr("another machine"));
  EXPECT_FALSE(Has("/esp/EFI/seaward/pages.lst"));
}

TEST_F(BootInstallerTest, TheCountIsClearedOnceTheDaemonRuns) {
  MustInstall();
  Holds(kCounter, std::string(12, '\7'));
  MustSync();
  EXPECT_TRUE(Has(kCounter));
  DaemonRuns();
  MustSync();
  EXPECT_FALSE(Has(kCounter));
}

TEST_F(BootInstallerTest, AListThatWasGivenUpStaysSoUntilItChanges) {
  DaemonLists({{0x48000000, 1, 0}});
  MustInstall();
  DaemonRuns();
  Holds(kCounter, std::string(12, '\7'));
  DriverReports(nextboot::BootResult::kFailedTwice, root_ + "/esp/EFI/seaward/pages.lst");
  MustSync();
  EXPECT_TRUE(Has(kCounter));
  DaemonLists({{0x49000000, 1, 0}});
  MustSync();
  EXPECT_FALSE(Has(kCounter));
}

TEST_F(BootInstallerTest, InstallingAnewGivesAListThatWasGivenUpAnotherChance) {
  DaemonLists({{0x48000000, 1, 0}});
  MustInstall();
  Holds(kCounter, std::string(12, '\7'));
  MustInstall();
  EXPECT_FALSE(Has(kCounter));
}

TEST_F(BootInstallerTest, PutsBackWhatTheFirmwareForgotAndSaysSo) {
  MustInstall();
  std::filesystem::remove(root_ + kVars + "Driver0000" + kGlobal);
  std::filesystem::remove(root_ + kVars + "DriverOrder" + kGlobal);
  MustSync();
  EXPECT_TRUE(sink_.Says("boot_driver_registered_again"));
  EXPECT_TRUE(DriverRegistered(EfiVariables(places_.roots.sys)));
  sink_.lines.clear();
  MustSync();
  EXPECT_FALSE(sink_.Says("boot_driver_registered_again"));
}

TEST_F(BootInstallerTest, GrubGetsAFileToSourceAndAScriptThatDoesIt) {
  DaemonLists({{0x48000000, 2, 0}, {0x50000000, 1, nextboot::kPerhapsFirmware}});
  MustInstall();
  MustInstall(BootMethod::kGrub);
  const std::string file = TextOf("/esp/EFI/seaward/badram.cfg");
  EXPECT_THAT(file, HasSubstr("badram 0x48000000,0x7ffffffffffff000,"
                              "0x48001000,0x7ffffffffffff000\n"));
  EXPECT_THAT(file, Not(HasSubstr("0x50000000")));
  EXPECT_THAT(file, HasSubstr(FormatUuid(kMachine)));
  EXPECT_TRUE(sink_.Says("next_boot_pages_left_out pages=1"));
  EXPECT_THAT(TextOf("/grub.d/06_seaward"), HasSubstr("/EFI/seaward/badram.cfg"));
  EXPECT_NE(std::filesystem::status(root_ + "/grub.d/06_seaward").permissions() &
                std::filesystem::perms::owner_exec,
            std::filesystem::perms::none);
  // One method at a time.
  EXPECT_FALSE(Has(kVars + "Driver0000" + kGlobal));
  EXPECT_FALSE(Has("/esp/EFI/seaward/pages.lst"));
  DaemonLists({{0x49000000, 1, 0}});
  MustSync();
  EXPECT_THAT(TextOf("/esp/EFI/seaward/badram.cfg"), HasSubstr("0x49000000"));
  MustInstall();
  EXPECT_FALSE(Has("/esp/EFI/seaward/badram.cfg"));
  EXPECT_FALSE(Has("/grub.d/06_seaward"));
  EXPECT_TRUE(Has("/esp/EFI/seaward/pages.lst"));
}

TEST_F(BootInstallerTest, MethodNoneIsUninstalling) {
  MustInstall(BootMethod::kGrub);
  MustInstall(BootMethod::kNone);
  EXPECT_FALSE(Has("/esp/EFI/seaward"));
  EXPECT_FALSE(Has("/grub.d/06_seaward"));
  EXPECT_EQ(Installer().InstalledMethod(), BootMethod::kNone);
}

}  // namespace
}  // namespace seaward::agent
