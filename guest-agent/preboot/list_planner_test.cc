#include "guest-agent/preboot/list_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaward::agent {
namespace {

using nextboot::kPerhapsFirmware;
using nextboot::ListedRange;
using nextboot::PageFate;
using protocol::Outcome;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

JournalEntry Entry(std::uint64_t first, std::uint64_t pages = 1,
                   Outcome outcome = Outcome::kRetired) {
  return JournalEntry{.range = ByteRange::Make(GuestPhysAddr{first}, pages * 4096).value(),
                      .outcome = outcome};
}

class ListPlannerTest : public testing::Test {
 protected:
  BootPlan Plan(const std::vector<JournalEntry>& entries) {
    const auto map = PrebootMap::Parse(iomem_);
    EXPECT_TRUE(map);
    return PlanBootList(entries,
                        {*map, report_.run_count > 0 ? &report_ : nullptr,
                         last_list_.empty() ? nullptr : &last_list_},
                        limits_);
  }

  std::string iomem_ =
      "09000000-09000fff : pl011@9000000\n"
      "40000000-5fffffff : System RAM\n"
      "  40210000-4186ffff : Kernel code\n"
      "  5c000000-5c003fff : reserved\n"
      "60000000-6000ffff : reserved\n"
      "60010000-7fffffff : System RAM\n"
      "  7fff0000-7fffffff : reserved\n";
  nextboot::BootReport report_;
  std::vector<ListedRange> last_list_;
  PlanLimits limits_;
};

TEST_F(ListPlannerTest, NeighboursAreOneRangeWhateverTheirOrder) {
  const BootPlan plan = Plan({Entry(0x48002000), Entry(0x48000000), Entry(0x48001000),
                              Entry(0x4a000000, 3), Entry(0x4a002000, 2)});
  EXPECT_THAT(plan.ranges,
              ElementsAre(ListedRange{0x48000000, 3, 0}, ListedRange{0x4a000000, 4, 0}));
  EXPECT_THAT(plan.refused, IsEmpty());
}

TEST_F(ListPlannerTest, PagesOfTheMemoryBeforeAMigrationAreNotListed) {
  JournalEntry left = Entry(0x48000000);
  left.other_memory = true;
  const BootPlan plan = Plan({left, Entry(0x4a000000)});
  EXPECT_THAT(plan.ranges, ElementsAre(ListedRange{0x4a000000, 1, 0}));
  EXPECT_THAT(plan.refused, IsEmpty());
}

TEST_F(ListPlannerTest, WhatIsNoMemoryOrTheFirmwaresIsLeftOut) {
  const BootPlan plan = Plan({Entry(0x09000000), Entry(0x60000000), Entry(0x90000000)});
  EXPECT_THAT(plan.ranges, IsEmpty());
  ASSERT_THAT(plan.refused, SizeIs(3));
  EXPECT_EQ(plan.refused[0].why, PlanRefusal::kNotRam);
  EXPECT_EQ(plan.refused[1].why, PlanRefusal::kFirmware);
  EXPECT_EQ(plan.refused[2].why, PlanRefusal::kNotRam);
}

TEST_F(ListPlannerTest, ARangeAcrossABorderIsJudgedPageByPage) {
  const BootPlan plan = Plan({Entry(0x5ffff000, 3)});
  EXPECT_THAT(plan.ranges, ElementsAre(ListedRange{0x5ffff000, 1, 0}));
  EXPECT_THAT(plan.refused, SizeIs(2));
}

TEST_F(ListPlannerTest, WhatTheKernelSetAsideIsListedForTheDriverAlone) {
  const BootPlan plan = Plan({Entry(0x5c001000), Entry(0x5c004000)});
  EXPECT_THAT(plan.ranges, ElementsAre(ListedRange{0x5c001000, 1, kPerhapsFirmware},
                                       ListedRange{0x5c004000, 1, 0}));
}

TEST_F(ListPlannerTest, APageThatTheDriverProtectedStaysListed) {
  nextboot::AddFate(report_, 0x60000000, 2, PageFate::kProtected);
  nextboot::AddFate(report_, 0x60002000, 1, PageFate::kAlreadyUnusable);
  const BootPlan plan = Plan({Entry(0x60000000, 4, Outcome::kExcludedBeforeBoot)});
  EXPECT_THAT(plan.ranges, ElementsAre(ListedRange{0x60000000, 3, 0}));
  ASSERT_THAT(plan.refused, SizeIs(1));
  EXPECT_EQ(plan.refused[0].range.start().value, 0x60003000U);
}

TEST_F(ListPlannerTest, WhatTheFirmwareSaidToBeItsOwnIsNotAskedForAgain) {
  nextboot::AddFate(report_, 0x5c000000, 1, PageFate::kFirmware);
  nextboot::AddFate(report_, 0x5c001000, 1, PageFate::kBusy);
  nextboot::AddFate(report_, 0x5c002000, 1, PageFate::kSkipped);
  const BootPlan plan = Plan({Entry(0x5c000000, 3)});
  EXPECT_THAT(plan.ranges, ElementsAre(ListedRange{0x5c001000, 2, kPerhapsFirmware}));
  ASSERT_THAT(plan.refused, SizeIs(1));
  EXPECT_EQ(plan.refused[0].why, PlanRefusal::kFirmware);
}

TEST_F(ListPlannerTest, APageThatGrubKeptAwayStaysListed) {
  EXPECT_THAT(Plan({Entry(0x60004000)}).ranges, IsEmpty());
  last_list_ = {{0x60004000, 1, 0}};
  EXPECT_THAT(Plan({Entry(0x60004000)}).ranges, SizeIs(1));
  // A list alone makes no memory.
  last_list_ = {{0x90000000, 1, 0}};
  EXPECT_THAT(Plan({Entry(0x90000000)}).ranges, IsEmpty());
}

TEST_F(ListPlannerTest, WhereNotAllFitThoseComeFirstThatOnlyTheListCanKeepAway) {
  limits_.max_ranges = 3;
  const BootPlan plan = Plan({Entry(0x48000000), Entry(0x49000000, 2), Entry(0x4a000000, 9),
                              Entry(0x4b000000, 1, Outcome::kExcludedBeforeBoot),
                              Entry(0x4c000000, 1, Outcome::kInKernel)});
  EXPECT_THAT(plan.ranges, ElementsAre(ListedRange{0x4a000000, 9, 0}, ListedRange{0x4b000000, 1, 0},
                                       ListedRange{0x4c000000, 1, 0}));
  ASSERT_THAT(plan.refused, SizeIs(2));
  EXPECT_EQ(plan.refused[0].why, PlanRefusal::kTooMany);
}

TEST_F(ListPlannerTest, NeverListsMoreThanTheFormatHolds) {
  std::vector<JournalEntry> entries;
  for (std::uint64_t i = 0; i < 400; ++i) entries.push_back(Entry(0x48000000 + i * 0x2000));
  limits_.max_ranges = 100000;
  const BootPlan plan = Plan(entries);
  EXPECT_THAT(plan.ranges, SizeIs(nextboot::kMaxRanges));
  EXPECT_THAT(plan.refused, SizeIs(400 - nextboot::kMaxRanges));
}

TEST_F(ListPlannerTest, LeavesThePieceThatTheKernelIsLoadedInto) {
  iomem_ = "40000000-4fffffff : System RAM\n";  // 256 MiB
  limits_.kernel_room = std::uint64_t{96} << 20;
  // In the middle: 128 MiB on one side are left.
  EXPECT_THAT(Plan({Entry(0x48000000)}).ranges, SizeIs(1));
  // One more in the middle of each half: 64 MiB are the largest piece, too little.
  const BootPlan plan = Plan({Entry(0x48000000), Entry(0x44000000), Entry(0x4c000000)});
  EXPECT_THAT(plan.ranges, SizeIs(2));
  ASSERT_THAT(plan.refused, SizeIs(1));
  EXPECT_EQ(plan.refused[0].why, PlanRefusal::kKernelRoom);
  // A page at the border of what is left costs nothing.
  EXPECT_THAT(Plan({Entry(0x48000000), Entry(0x44000000), Entry(0x48001000)}).ranges, SizeIs(2));
}

TEST_F(ListPlannerTest, AMachineTooSmallForTheRoomListsNothing) {
  iomem_ = "40000000-41ffffff : System RAM\n";
  const BootPlan plan = Plan({Entry(0x40000000)});
  EXPECT_THAT(plan.ranges, IsEmpty());
  EXPECT_EQ(plan.refused[0].why, PlanRefusal::kKernelRoom);
}

TEST_F(ListPlannerTest, WhatThePlanHoldsIsWhatTheFormatTakes) {
  const BootPlan plan = Plan({Entry(0x5ffff000, 2), Entry(0x40000000), Entry(0x7ffff000)});
  std::vector<std::uint8_t> bytes(nextboot::kMaxListBytes);
  EXPECT_GT(nextboot::WriteBootList({}, {}, plan.ranges.data(), plan.ranges.size(), bytes.data()),
            0U);
}

}  // namespace
}  // namespace seaward::agent
