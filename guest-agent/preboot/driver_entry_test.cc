#include "guest-agent/preboot/driver_entry.h"

#include <gmock/gmock.h>

#include "guest-agent/preboot/boot_root_fixture.h"

namespace seaward::agent {
namespace {

using testing::ElementsAre;

class DriverEntryTest : public BootRoot {
 protected:
  void OthersHave(std::uint16_t number, const std::string& name) {
    ASSERT_TRUE(variables_.Write(name, kGlobalVendor,
                                 {kPersistentVariable, EncodeLoadOption("Other", {}, "\\x.efi")}));
    auto order = Order();
    order.push_back(number);
    ASSERT_TRUE(
        variables_.Write("DriverOrder", kGlobalVendor, {kPersistentVariable, EncodeOrder(order)}));
  }
  std::vector<std::uint16_t> Order() const {
    const auto order = variables_.Read("DriverOrder", kGlobalVendor);
    return order ? DecodeOrder(order->data) : std::vector<std::uint16_t>{};
  }
  bool Register(const GptPartition& partition = {1, 2048, 131072, {}}) {
    const auto written = RegisterDriver(variables_, partition, "\\EFI\\seaward\\x.efi");
    EXPECT_TRUE(written) << written.error().Text();
    return written.value_or(false);
  }

  EfiVariables variables_{places_.roots.sys};
};

TEST_F(DriverEntryTest, ComesFirstAndLeavesOthersWhereTheyAre) {
  OthersHave(0, "Driver0000");
  OthersHave(2, "Driver0002");
  EXPECT_FALSE(DriverRegistered(variables_));
  EXPECT_TRUE(Register());
  EXPECT_THAT(Order(), ElementsAre(1, 0, 2));
  EXPECT_TRUE(DriverRegistered(variables_));
  EXPECT_FALSE(Register());
  ASSERT_TRUE(UnregisterDriver(variables_));
  EXPECT_THAT(Order(), ElementsAre(0, 2));
  EXPECT_THAT(variables_.Numbered("Driver"), ElementsAre(0, 2));
}

TEST_F(DriverEntryTest, AMovedPartitionGetsTheSameNumber) {
  EXPECT_TRUE(Register());
  EXPECT_TRUE(Register({2, 4096, 131072, {}}));
  EXPECT_THAT(variables_.Numbered("Driver"), ElementsAre(0));
  EXPECT_THAT(Order(), ElementsAre(0));
}

TEST_F(DriverEntryTest, AnEntryThatTheOrderForgotIsPutBackIntoIt) {
  EXPECT_TRUE(Register());
  ASSERT_TRUE(variables_.Remove("DriverOrder", kGlobalVendor));
  EXPECT_FALSE(DriverRegistered(variables_));
  EXPECT_TRUE(Register());
  EXPECT_THAT(Order(), ElementsAre(0));
}

TEST_F(DriverEntryTest, DoublesOfItAreRemoved) {
  EXPECT_TRUE(Register());
  const auto option = variables_.Read("Driver0000", kGlobalVendor);
  ASSERT_TRUE(variables_.Write("Driver0007", kGlobalVendor, *option));
  EXPECT_TRUE(Register());
  EXPECT_THAT(variables_.Numbered("Driver"), ElementsAre(0));
}

TEST_F(DriverEntryTest, UnregisteringWhatIsNotThereIsFine) {
  EXPECT_TRUE(UnregisterDriver(variables_));
}

}  // namespace
}  // namespace seaward::agent
