// What the operator allows: budgets, a rate, accounting only, hugetlb pages.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "guest-agent/retire/desk_fixture.h"

namespace seaward::agent {
namespace {

using protocol::Evidence;
using protocol::Outcome;
using protocol::PageKind;
using protocol::VerdictRecord;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;
using Use = FakeKernel::Use;

// Two nodes of two blocks of 64 KiB each: 0x40000000 and 0x40020000.
NumaNodes TwoNodes() {
  char name[] = "/tmp/swnXXXXXX";
  const std::string sys = ::mkdtemp(name);
  const auto block = [&sys](int node, int number) {
    std::filesystem::create_directories(sys + "/devices/system/node/node" + std::to_string(node) +
                                        "/memory" + std::to_string(number));
  };
  for (const int i : {0, 1}) block(0, 0x4000 + i);
  for (const int i : {2, 3}) block(1, 0x4000 + i);
  std::filesystem::create_directories(sys + "/devices/system/node/node0/power");
  std::filesystem::create_directories(sys + "/devices/system/memory");
  std::ofstream(sys + "/devices/system/memory/block_size_bytes") << "10000\n";
  auto nodes = NumaNodes::Read(sys);
  std::filesystem::remove_all(sys);
  return nodes.value();
}

TEST(NumaNodes, AKernelWithoutNodesIsNoError) {
  EXPECT_EQ(NumaNodes::Read("/nonexistent").error().code, ErrorCode::kUnsupported);
}

TEST(NumaNodes, BlocksSayWhichNodeAnAddressBelongsTo) {
  const NumaNodes nodes = TwoNodes();
  EXPECT_EQ(nodes.NodeOf(GuestPhysAddr{0x4001ffff}), 0);
  EXPECT_EQ(nodes.NodeOf(GuestPhysAddr{0x40020000}), 1);
  EXPECT_EQ(nodes.NodeOf(GuestPhysAddr{0x50000000}), 0) << "unknown";
  EXPECT_EQ(nodes.bytes().at(1), 0x20000u);
}

using LimitsTest = DeskTest;

TEST_F(LimitsTest, ANodeIsNotRetiredBeyondItsShareThoughTheMachineHasRoom) {
  // 25 % of 128 KiB, less what division by 100 cuts off: 7 pages.
  Start({}, RetirementLimits{.budget_bytes = 1 << 20, .node_percent = 25}, TwoNodes());
  const auto first = Report(Entry(1, 0x40000000, 0x10000));
  EXPECT_THAT(first.records, ElementsAre(Field(&VerdictRecord::outcome, Outcome::kRetired),
                                         Field(&VerdictRecord::outcome, Outcome::kBudgetExceeded)));
  EXPECT_EQ(desk_->retired_bytes(), 7 * 4096u);
  EXPECT_EQ(Dealt(Entry(2, 0x40020000)), Outcome::kRetired) << "the other node has its own";
}

TEST_F(LimitsTest, AccountingLooksAndTouchesNothing) {
  Start({}, RetirementLimits{.account_only = true});
  kernel_->Holds(kPage, Use::kAnonymous);
  const auto progress = Report(Entry(1, kPage.value));
  ASSERT_THAT(progress.records, SizeIs(1));
  EXPECT_EQ(progress.records[0].outcome, Outcome::kFailed);
  EXPECT_EQ(progress.records[0].sys_errno, EPERM);
  EXPECT_EQ(progress.records[0].kind, PageKind::kAnonymous);
  EXPECT_THAT(kernel_->writes(), IsEmpty());
  EXPECT_EQ(desk_->retired_bytes(), 0u);
}

TEST_F(LimitsTest, NoMoreStepsThanTheRateAllows) {
  Start({}, RetirementLimits{.rate = {.per_second = 10, .burst = 4}});
  ASSERT_TRUE(desk_->Submit(Entry(1, kPage.value, 0x10000)));
  (void)desk_->Work(1000);
  EXPECT_THAT(kernel_->writes(), SizeIs(4));
  EXPECT_FALSE(desk_->HasWork());
  ASSERT_TRUE(desk_->NextDue());
  EXPECT_GT(*desk_->NextDue(), clock_.Now());
  clock_.Advance(*desk_->NextDue() - clock_.Now());
  EXPECT_TRUE(desk_->HasWork());
  (void)desk_->Work(1000);
  EXPECT_THAT(kernel_->writes(), SizeIs(5));
  for (int i = 0; i < 11; ++i) {
    clock_.Advance(seconds(1));
    (void)desk_->Work(1000);
  }
  EXPECT_THAT(kernel_->writes(), SizeIs(16));
  EXPECT_FALSE(desk_->NextDue());
}

// A 2 MiB page of 4 KiB frames.
class HugetlbTest : public DeskTest {
 protected:
  static constexpr GuestPhysAddr kHuge{0x40400000};
  static constexpr GuestPhysAddr kInside{0x40412000};

  void StartWith(HugetlbAction action, Use head) {
    Start({}, RetirementLimits{.hugetlb = action, .huge_sizes = {65536, 2 << 20, 1 << 30}});
    kernel_->Holds(kHuge, head);
    for (std::uint64_t at = 4096; at < (2 << 20); at += 4096)
      kernel_->Holds(GuestPhysAddr{kHuge.value + at}, Use::kHugetlbTail);
  }
};

TEST_F(HugetlbTest, SaysWhatTheLossCostsAndRetires) {
  StartWith(HugetlbAction::kRetire, Use::kHugetlbMapped);
  const auto progress = Report(Entry(1, kInside.value));
  ASSERT_THAT(progress.huge, SizeIs(1));
  EXPECT_EQ(progress.huge[0].huge.range, ByteRange::Make(kHuge, 2 << 20).value());
  EXPECT_TRUE(progress.huge[0].huge.mapped);
  EXPECT_EQ(progress.records.at(0).outcome, Outcome::kRetired);
}

TEST_F(HugetlbTest, DeferLeavesAPageInUseAndRetiresItWhenNobodyUsesIt) {
  StartWith(HugetlbAction::kDefer, Use::kHugetlbMapped);
  auto progress = Report(Entry(1, kInside.value));
  EXPECT_EQ(progress.records.at(0).outcome, Outcome::kDeferred);
  EXPECT_EQ(progress.records.at(0).next_try, seconds(1));
  EXPECT_THAT(kernel_->writes(), IsEmpty());
  kernel_->Holds(kHuge, Use::kHugetlb);  // unmapped
  clock_.Advance(seconds(1));
  progress = desk_->Work(10);
  EXPECT_EQ(progress.records.at(0).outcome, Outcome::kRetired);
  EXPECT_FALSE(progress.huge.at(0).huge.mapped);
}

TEST_F(HugetlbTest, ReportTouchesNothing) {
  StartWith(HugetlbAction::kReport, Use::kHugetlbMapped);
  const auto progress = Report(Entry(1, kInside.value));
  EXPECT_EQ(progress.records.at(0).outcome, Outcome::kFailed);
  EXPECT_EQ(progress.records.at(0).sys_errno, EPERM);
  EXPECT_EQ(progress.records.at(0).kind, PageKind::kHuge);
  EXPECT_THAT(kernel_->writes(), IsEmpty());
}

TEST_F(HugetlbTest, APredictedErrorMovesTheDataWhateverTheChoice) {
  StartWith(HugetlbAction::kReport, Use::kHugetlbMapped);
  const auto progress = Report(Entry(1, kInside.value, 4096, Evidence::kPredicted));
  EXPECT_THAT(kernel_->writes(), ElementsAre(FakeKernel::Write{Verb::kSoft, kInside}));
}

TEST_F(HugetlbTest, AGigabytePageIsToldFromTwoMegabytes) {
  Start({}, RetirementLimits{.huge_sizes = {2 << 20, 1 << 30}});
  kernel_->Holds(GuestPhysAddr{0x40000000}, Use::kHugetlbMapped);
  kernel_->Holds(GuestPhysAddr{0x40200000}, Use::kHugetlbTail);
  kernel_->Holds(kInside, Use::kHugetlbTail);
  const auto progress = Report(Entry(1, kInside.value));
  ASSERT_THAT(progress.huge, SizeIs(1));
  EXPECT_EQ(progress.huge[0].huge.range.length(), std::uint64_t{1} << 30);
}

}  // namespace
}  // namespace seaward::agent
