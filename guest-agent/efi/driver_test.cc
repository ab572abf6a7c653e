#include "guest-agent/efi/driver.h"

#include <gtest/gtest.h>

#include <memory>

#include "guest-agent/efi/fake_firmware.h"
#include "guest-agent/nextboot/boot_list.h"

namespace seaward::efi {
namespace {

using nextboot::BootReport;
using nextboot::BootResult;
using nextboot::FateRun;
using nextboot::ListedRange;
using nextboot::MachineId;
using nextboot::PageFate;

// The fake firmware's UUID in text order.
constexpr MachineId kMachine{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
constexpr MachineId kAnother{{9}};

FakeFirmware::Bytes List(const std::vector<ListedRange>& ranges,
                         const MachineId& machine = kMachine) {
  FakeFirmware::Bytes bytes(nextboot::kMaxListBytes);
  bytes.resize(nextboot::WriteBootList(machine, {}, ranges.data(), ranges.size(), bytes.data()));
  EXPECT_FALSE(bytes.empty());
  return bytes;
}

class EfiDriverTest : public testing::Test {
 protected:
  void EspHolds(const FakeFirmware::Bytes& list) { firmware_.files[nextboot::kListPath] = list; }
  void Boots() {
    firmware_.LosesPower();
    Loads();
  }
  void Loads() {
    ProtectListedPages(firmware_.Image(), firmware_.System(), *memory_);
    EXPECT_EQ(firmware_.open_files, 0);
  }
  void AgentRuns() { firmware_.variables.erase(nextboot::kCounterVariable); }
  BootReport Report() {
    BootReport report;
    const auto it = firmware_.variables.find(nextboot::kReportVariable);
    EXPECT_NE(it, firmware_.variables.end());
    if (it == firmware_.variables.end()) return report;
    EXPECT_EQ(it->second.attributes, kVariableBootAccess | kVariableRuntimeAccess);
    EXPECT_TRUE(nextboot::ReadReport({it->second.data.data(), it->second.data.size()}, report));
    return report;
  }
  std::vector<FateRun> Runs() {
    const BootReport report = Report();
    return {report.runs, report.runs + report.run_count};
  }

  FakeFirmware firmware_;
  std::unique_ptr<DriverMemory> memory_ = std::make_unique<DriverMemory>();
};

TEST_F(EfiDriverTest, MarksEveryListedPageUnusable) {
  EspHolds(List({{0x48000000, 1, 0}, {0x4a000000, 300, 0}}));
  Boots();
  EXPECT_EQ(Report().result, BootResult::kApplied);
  EXPECT_EQ(Report().protected_pages, 301U);
  EXPECT_EQ(Report().boots, 1);
  EXPECT_EQ(firmware_.unusable, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{
                                    {0x48000000, 1}, {0x4a000000, 300}}));
  EXPECT_EQ(firmware_.allocations, 2);
}

TEST_F(EfiDriverTest, GoesAroundThePagesThatAreInTheWayAndSaysWhoseTheyAre) {
  firmware_.map = {{0x40000000, 0x10, kConventionalMemory}, {0x40010000, 1, kRuntimeServicesData},
                   {0x40011000, 1, kConventionalMemory},    {0x40012000, 1, kBootServicesData},
                   {0x40013000, 1, kAcpiReclaimMemory},     {0x40014000, 1, kLoaderCode},
                   {0x40015000, 1, kUnusableMemory}};
  EspHolds(List({{0x4000f000, 8, 0}}));
  Boots();
  EXPECT_EQ(Runs(), (std::vector<FateRun>{{0x4000f000, 1, PageFate::kProtected},
                                          {0x40010000, 1, PageFate::kFirmware},
                                          {0x40011000, 1, PageFate::kProtected},
                                          {0x40012000, 1, PageFate::kBusy},
                                          {0x40013000, 1, PageFate::kFirmware},
                                          {0x40014000, 1, PageFate::kBusy},
                                          {0x40015000, 1, PageFate::kAlreadyUnusable},
                                          {0x40016000, 1, PageFate::kNotMemory}}));
  EXPECT_EQ(Report().protected_pages, 2U);
  EXPECT_EQ(Report().listed_pages, 8U);
}

TEST_F(EfiDriverTest, WorksWithAMapThatIsTooLarge) {
  firmware_.map = {{0x40000000, 1, kBootServicesData}, {0x40001000, 1, kConventionalMemory}};
  firmware_.map_room = 10;
  EspHolds(List({{0x40000000, 2, 0}}));
  Boots();
  EXPECT_EQ(Runs(), (std::vector<FateRun>{{0x40000000, 1, PageFate::kRefused},
                                          {0x40001000, 1, PageFate::kProtected}}));
}

// Found by driver_fuzzer: in halves down to single pages this took hours of a boot.
TEST_F(EfiDriverTest, ARangeThatIsNoMemoryCostsNoMoreThanOneThatIs) {
  constexpr std::uint32_t kEverything = 0xffffffff;
  firmware_.map = {{0x40000000, 4, kConventionalMemory}, {0x40004000, 4, kRuntimeServicesData}};
  EspHolds(List({{0x40001000, kEverything, 0}}));
  Boots();
  EXPECT_EQ(Runs(), (std::vector<FateRun>{{0x40001000, 3, PageFate::kProtected},
                                          {0x40004000, 4, PageFate::kFirmware},
                                          {0x40008000, kEverything - 7, PageFate::kNotMemory}}));
  EXPECT_LT(firmware_.allocations, 10);
}

TEST_F(EfiDriverTest, AFirmwareThatRefusesEverythingEndsItsBootAllTheSame) {
  firmware_.map = {{0x40000000, 1U << 20, kConventionalMemory}};
  firmware_.gives_nothing = true;
  EspHolds(List({{0x40000000, 1U << 20, 0}}));
  Boots();
  EXPECT_EQ(Runs(), (std::vector<FateRun>{{0x40000000, 1U << 20, PageFate::kRefused}}));
  EXPECT_LE(firmware_.allocations, 1 << 18);
  EXPECT_NE(Report().firmware_status, 0U);
}

TEST_F(EfiDriverTest, IgnoresTheListOfAnotherMachine) {
  EspHolds(List({{0x48000000, 1, 0}}, kAnother));
  Boots();
  EXPECT_EQ(Report().result, BootResult::kOtherMachine);
  EXPECT_EQ(firmware_.allocations, 0);
  EXPECT_EQ(Report().run_count, 0U);
}

TEST_F(EfiDriverTest, AMachineWithoutANameTakesNoList) {
  EspHolds(List({{0x48000000, 1, 0}}, MachineId{}));
  firmware_.smbios = false;
  Boots();
  EXPECT_EQ(Report().result, BootResult::kOtherMachine);
  firmware_.smbios = true;
  firmware_.SetUuid(FakeFirmware::Bytes(16, 0));
  Boots();
  EXPECT_EQ(Report().result, BootResult::kOtherMachine);
  EXPECT_EQ(firmware_.allocations, 0);
}

TEST_F(EfiDriverTest, WithoutAListOrAVolumeNothingHappens) {
  Boots();
  EXPECT_EQ(Report().result, BootResult::kNoList);
  firmware_.volume = false;
  Boots();
  EXPECT_EQ(Report().result, BootResult::kNoVolume);
  EXPECT_EQ(firmware_.allocations, 0);
  EXPECT_EQ(firmware_.variables.count(nextboot::kCounterVariable), 0U);
}

TEST_F(EfiDriverTest, TakesTheOldListWhereTheNewOneIsTornOrGone) {
  const auto good = List({{0x48000000, 1, 0}});
  auto torn = List({{0x48000000, 1, 0}, {0x49000000, 1, 0}});
  torn.resize(40);
  firmware_.files[nextboot::kOldListPath] = good;
  EspHolds(torn);
  Boots();
  EXPECT_EQ(Report().result, BootResult::kApplied);
  EXPECT_TRUE(Report().from_old_list);
  EXPECT_EQ(Report().protected_pages, 1U);

  firmware_.files.erase(nextboot::kListPath);
  Boots();
  EXPECT_TRUE(Report().from_old_list);
  EXPECT_EQ(Report().protected_pages, 1U);
}

TEST_F(EfiDriverTest, ABadListAloneIsLeftAlone) {
  EspHolds(FakeFirmware::Bytes(100, 7));
  Boots();
  EXPECT_EQ(Report().result, BootResult::kBadList);
  EspHolds(FakeFirmware::Bytes(100000, 7));
  Boots();
  EXPECT_EQ(Report().result, BootResult::kBadList);
  EspHolds(List({{0x48000000, 1, 0}}));
  firmware_.files[nextboot::kOldListPath] = FakeFirmware::Bytes(3, 7);
  firmware_.file_errors = true;
  Boots();
  EXPECT_EQ(Report().result, BootResult::kBadList);
  firmware_.file_errors = false;
  firmware_.files.erase(nextboot::kListPath);
  Boots();
  EXPECT_EQ(Report().result, BootResult::kBadList);
  EXPECT_EQ(firmware_.allocations, 0);
}

TEST_F(EfiDriverTest, AListWhoseBootsFailTwiceIsSkippedTheThirdTimeAndSaysItsPages) {
  EspHolds(List({{0x48000000, 2, 0}}));
  for (const int boot : {1, 2}) {
    Boots();
    EXPECT_EQ(Report().result, BootResult::kApplied);
    EXPECT_EQ(Report().boots, boot);
  }
  for (int boot = 3; boot < 6; ++boot) {
    firmware_.allocations = 0;
    Boots();
    EXPECT_EQ(Report().result, BootResult::kFailedTwice);
    EXPECT_EQ(Runs(), (std::vector<FateRun>{{0x48000000, 2, PageFate::kSkipped}}));
    EXPECT_EQ(firmware_.allocations, 0);
  }
}

TEST_F(EfiDriverTest, AnAgentThatRunsBeginsTheCountAnew) {
  EspHolds(List({{0x48000000, 1, 0}}));
  for (int boot = 0; boot < 5; ++boot) {
    Boots();
    EXPECT_EQ(Report().result, BootResult::kApplied);
    AgentRuns();
  }
}

TEST_F(EfiDriverTest, AnotherListBeginsTheCountAnew) {
  EspHolds(List({{0x48000000, 1, 0}}));
  for (int boot = 0; boot < 3; ++boot) Boots();
  EXPECT_EQ(Report().result, BootResult::kFailedTwice);
  EspHolds(List({{0x48000000, 1, 0}, {0x49000000, 1, 0}}));
  Boots();
  EXPECT_EQ(Report().result, BootResult::kApplied);
  EXPECT_EQ(Report().boots, 1);
}

TEST_F(EfiDriverTest, WithoutACounterNoListIsApplied) {
  firmware_.non_volatile_writes = false;
  EspHolds(List({{0x48000000, 1, 0}}));
  Boots();
  EXPECT_EQ(Report().result, BootResult::kNoCounter);
  EXPECT_EQ(Runs(), (std::vector<FateRun>{{0x48000000, 1, PageFate::kSkipped}}));
  EXPECT_NE(Report().firmware_status, 0U);
  EXPECT_EQ(firmware_.allocations, 0);
}

TEST_F(EfiDriverTest, AnEmptyListCountsNothing) {
  EspHolds(List({}));
  for (int boot = 0; boot < 4; ++boot) Boots();
  EXPECT_EQ(Report().result, BootResult::kApplied);
  EXPECT_EQ(firmware_.variables.count(nextboot::kCounterVariable), 0U);
}

TEST_F(EfiDriverTest, LoadedTwiceInOneBootItWorksOnce) {
  EspHolds(List({{0x48000000, 1, 0}}));
  Boots();
  const int writes = firmware_.variable_writes;
  const int allocations = firmware_.allocations;
  Loads();
  EXPECT_EQ(firmware_.variable_writes, writes);
  EXPECT_EQ(firmware_.allocations, allocations);
  EXPECT_EQ(Report().boots, 1);
}

TEST_F(EfiDriverTest, AFirmwareWithSmallVariablesStillHearsTheResult) {
  firmware_.largest_variable = nextboot::kReportHeaderBytes;
  EspHolds(List({{0x48000000, 1, 0}}));
  Boots();
  EXPECT_EQ(Report().protected_pages, 1U);
  EXPECT_TRUE(Report().runs_left_out);
  EXPECT_EQ(Report().run_count, 0U);
}

TEST_F(EfiDriverTest, AFullListOfIsolatedPagesIsProtectedAndReported) {
  std::vector<ListedRange> ranges;
  for (std::uint64_t i = 0; i < nextboot::kMaxRanges; ++i)
    ranges.push_back({0x41000000 + i * 0x2000, 1, 0});
  EspHolds(List(ranges));
  Boots();
  EXPECT_EQ(Report().protected_pages, nextboot::kMaxRanges);
  EXPECT_EQ(Runs().size(), nextboot::kMaxRanges);
}

}  // namespace
}  // namespace seaward::efi
