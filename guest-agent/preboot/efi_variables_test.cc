#include "guest-agent/preboot/efi_variables.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "guest-agent/preboot/boot_root_fixture.h"

namespace seaward::agent {
namespace {

using testing::ElementsAre;

class EfiVariablesTest : public BootRoot {
 protected:
  EfiVariables variables_{places_.roots.sys};
};

TEST_F(EfiVariablesTest, ReadsWhatItWroteAndForgetsWhatItRemoved) {
  const EfiVariable variable{kPersistentVariable, {std::byte{1}, std::byte{2}}};
  ASSERT_TRUE(variables_.Write("Name", kGlobalVendor, variable));
  EXPECT_EQ(TextOf("/sys/firmware/efi/efivars/Name-" + std::string(kGlobalVendor)),
            std::string("\7\0\0\0\1\2", 6));
  const auto read = variables_.Read("Name", kGlobalVendor);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->attributes, variable.attributes);
  EXPECT_EQ(read->data, variable.data);
  ASSERT_TRUE(variables_.Remove("Name", kGlobalVendor));
  EXPECT_EQ(variables_.Read("Name", kGlobalVendor).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(variables_.Remove("Name", kGlobalVendor));
}

// Works where the test's file system has the flag and the test may set it; elsewhere the flag is
// nobody's concern.
TEST_F(EfiVariablesTest, TakesTheImmutableFlagOffForAWriteAndARemoval) {
  const std::string path =
      root_ + "/sys/firmware/efi/efivars/Boot0000-" + std::string(kGlobalVendor);
  const auto set_flag = [&path] {
    const auto fd = OpenFile(path, O_RDONLY);
    int flags = 0;
    if (!fd || ::ioctl(fd->get(), FS_IOC_GETFLAGS, &flags) != 0) return false;
    flags |= FS_IMMUTABLE_FL;
    return ::ioctl(fd->get(), FS_IOC_SETFLAGS, &flags) == 0;
  };
  if (!set_flag()) GTEST_SKIP() << "no immutable flag here";
  EXPECT_TRUE(variables_.Write("Boot0000", kGlobalVendor, {7, {std::byte{1}}}));
  ASSERT_TRUE(set_flag());
  EXPECT_TRUE(variables_.Remove("Boot0000", kGlobalVendor));
}

TEST_F(EfiVariablesTest, FindsNumberedOnes) {
  const std::string folder = "/sys/firmware/efi/efivars/";
  for (const char* name : {"Driver0010", "Driver000A", "DriverOrder", "Driver00XY", "Driver00100"})
    Holds(folder + name + "-" + std::string(kGlobalVendor), "1234");
  Holds(folder + "Driver0003-" + nextboot::kVendorText, "1234");
  EXPECT_THAT(variables_.Numbered("Driver"), ElementsAre(0x0a, 0x10));
}

TEST_F(EfiVariablesTest, KnowsSecureBootWhereTheFirmwareSays) {
  EXPECT_FALSE(variables_.SecureBoot().has_value());
  SecureBootIs(false);
  EXPECT_EQ(variables_.SecureBoot(), false);
  SecureBootIs(true);
  EXPECT_EQ(variables_.SecureBoot(), true);
}

TEST_F(EfiVariablesTest, AMachineWithoutThemHasNone) {
  EXPECT_TRUE(variables_.Present());
  EXPECT_FALSE(EfiVariables(root_ + "/nowhere").Present());
  std::filesystem::create_directories(root_ + "/empty/firmware/efi/efivars");
  EXPECT_FALSE(EfiVariables(root_ + "/empty").Present());
}

TEST_F(EfiVariablesTest, AReportThatIsNoneIsCorrupt) {
  EXPECT_EQ(ReadBootReport(variables_).error().code, ErrorCode::kNotFound);
  Holds(std::string("/sys/firmware/efi/efivars/SeawardReport-") + nextboot::kVendorText,
        "1234 not a report");
  EXPECT_EQ(ReadBootReport(variables_).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace seaward::agent
