#include "guest-agent/retire/desk_fixture.h"

namespace seaward::agent {
namespace {

using protocol::Evidence;
using protocol::Outcome;
using protocol::PageKind;
using protocol::PoisonEntry;
using protocol::Stage;
using protocol::VerdictRecord;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;
using Use = FakeKernel::Use;

using RetirementDeskTest = DeskTest;

TEST_F(RetirementDeskTest, RetiresWithoutReadingTheLayoutForAnOrdinaryPage) {
  Start();
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kRetired);
  EXPECT_EQ(kernel_->layouts_read(), 0);
  EXPECT_EQ(desk_->retired_bytes(), 4096u);
}

TEST_F(RetirementDeskTest, ARepeatedEntryGetsTheFirstVerdictWithoutAnotherWrite) {
  Start();
  const auto first = Report(Entry(1, kPage.value)).records;
  const auto second = Report(Entry(1, kPage.value)).records;
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(second[0].outcome, first[0].outcome);
  EXPECT_EQ(second[0].duration, first[0].duration);
  EXPECT_EQ(second[0].kind, first[0].kind);
  EXPECT_THAT(kernel_->writes(), SizeIs(1));
  EXPECT_EQ(desk_->retired_bytes(), 4096u);
}

TEST_F(RetirementDeskTest, ARestartedAgentGivesTheVerdictOfTheOneBefore) {
  Start();
  const ByteRange page = ByteRange::Granule(kPage);
  AgentRestarts();
  desk_->Restore(page, PageVerdict{.outcome = Outcome::kInKernel,
                                   .kind = PageKind::kKernel,
                                   .stage = Stage::kEarly,
                                   .sys_errno = EBUSY});
  const auto records = Report(Entry(1, kPage.value)).records;
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].outcome, Outcome::kInKernel);
  EXPECT_EQ(records[0].stage, Stage::kEarly);
  EXPECT_THAT(kernel_->writes(), IsEmpty());
}

TEST_F(RetirementDeskTest, AnAttemptCutShortOnAPageOfTheKernelIsNotTakenForRetirement) {
  Start();
  kernel_->Holds(kPage, Use::kKernelPlain);
  kernel_->Flags(kPage);
  desk_->RestoreAttempt(ByteRange::Granule(kPage), PageKind::kUnknown);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kInKernel);
}

TEST_F(RetirementDeskTest, AnAttemptCutShortOnAFreePageIsOurOwnRetirement) {
  Start();
  kernel_->Holds(kPage, Use::kKernelPlain);
  kernel_->Flags(kPage);
  desk_->RestoreAttempt(ByteRange::Granule(kPage), PageKind::kFree);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kRetired);
}

TEST_F(RetirementDeskTest, TellsWithheldMemoryFromMemoryThatNeverWas) {
  Start();
  kernel_->Holds(kPage, Use::kWithheld);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kExcludedBeforeBoot);
  EXPECT_EQ(Dealt(Entry(2, 0x09000000)), Outcome::kNotRam);
  EXPECT_EQ(Dealt(Entry(3, 0x800000000, 1 << 30)), Outcome::kNotRam);
  EXPECT_THAT(kernel_->writes(), IsEmpty());
}

TEST_F(RetirementDeskTest, AReservedWindowOfADeviceIsNotWithheldRam) {
  Start();
  kernel_->Holds(kPage, Use::kWithheld);
  kernel_->ShowsNoPage(kPage);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kNotRam);
}

TEST_F(RetirementDeskTest, CoversARangeOfSeveralFatesInOrder) {
  Start();
  kernel_->Holds(GuestPhysAddr{kPage.value + 0x2000}, Use::kWithheld);
  kernel_->Holds(GuestPhysAddr{kPage.value + 0x4000}, Use::kSlab);
  const auto progress = Report(Entry(1, kPage.value, 0x6000));
  std::uint64_t at = kPage.value;
  for (const VerdictRecord& record : progress.records) {
    EXPECT_EQ(record.range.start().value, at);
    at = record.range.end();
  }
  EXPECT_EQ(at, kPage.value + 0x6000);
  EXPECT_THAT(progress.records,
              ElementsAre(Field(&VerdictRecord::outcome, Outcome::kRetired),
                          Field(&VerdictRecord::outcome, Outcome::kExcludedBeforeBoot),
                          Field(&VerdictRecord::outcome, Outcome::kRetired),
                          Field(&VerdictRecord::outcome, Outcome::kInKernel),
                          Field(&VerdictRecord::outcome, Outcome::kRetired)));
  EXPECT_THAT(progress.finished, SizeIs(1));
}

TEST_F(RetirementDeskTest, ALargePageIsWrittenOnceForAllItsGranules) {
  for (const std::uint64_t bytes : {16384u, 65536u}) {
    Start(PageSize{bytes});
    for (std::uint64_t i = 0; i < bytes / 4096; ++i)
      EXPECT_EQ(Dealt(Entry(i, kPage.value + i * 4096)), Outcome::kRetired);
    EXPECT_THAT(kernel_->writes(), ElementsAre(FakeKernel::Write{Verb::kHard, kPage}));
    EXPECT_EQ(desk_->retired_bytes(), bytes);
  }
}

TEST_F(RetirementDeskTest, SoftOnlyForPredictedPages) {
  Start();
  kernel_->Holds(kPage, Use::kAnonymous);
  EXPECT_EQ(Dealt(Entry(1, kPage.value, 4096, Evidence::kPredicted)), Outcome::kRetired);
  EXPECT_EQ(Dealt(Entry(2, kPage.value + 4096, 4096, Evidence::kLatent)), Outcome::kRetired);
  EXPECT_THAT(kernel_->writes(),
              ElementsAre(FakeKernel::Write{Verb::kSoft, kPage},
                          FakeKernel::Write{Verb::kHard, GuestPhysAddr{kPage.value + 4096}}));
}

TEST_F(RetirementDeskTest, WorseEvidenceTakesUpWhatSoftCouldNotDo) {
  Start();
  kernel_->DisableSoftOffline();
  EXPECT_EQ(Dealt(Entry(1, kPage.value, 4096, Evidence::kPredicted)), Outcome::kFailed);
  EXPECT_EQ(Dealt(Entry(1, kPage.value, 4096, Evidence::kPredicted)), Outcome::kFailed);
  EXPECT_THAT(kernel_->writes(), SizeIs(1));
  EXPECT_EQ(Dealt(Entry(2, kPage.value)), Outcome::kRetired);
}

TEST_F(RetirementDeskTest, RefusesBeyondTheBudget) {
  Start({}, RetirementLimits{.budget_bytes = 8192});
  const auto progress = Report(Entry(1, kPage.value, 0x4000));
  EXPECT_THAT(progress.records,
              ElementsAre(Field(&VerdictRecord::outcome, Outcome::kRetired),
                          Field(&VerdictRecord::outcome, Outcome::kBudgetExceeded)));
  EXPECT_THAT(kernel_->writes(), SizeIs(2));
}

TEST_F(RetirementDeskTest, DefersWithADoublingDelayAndReportsTheLateVerdict) {
  Start();
  kernel_->Holds(kPage, Use::kAnonymous);
  for (int i = 0; i < 3; ++i) kernel_->RefuseNext(EBUSY);
  auto progress = Report(Entry(1, kPage.value));
  for (const auto delay : {seconds(1), seconds(2), seconds(4)}) {
    ASSERT_THAT(progress.records, SizeIs(1));
    EXPECT_EQ(progress.records[0].outcome, Outcome::kDeferred);
    EXPECT_EQ(progress.records[0].next_try, delay);
    EXPECT_THAT(progress.finished, IsEmpty());
    EXPECT_EQ(desk_->NextDue(), clock_.Now() + delay);
    clock_.Advance(delay - milliseconds(1));
    EXPECT_FALSE(desk_->HasWork());
    clock_.Advance(milliseconds(1));
    progress = desk_->Work(10);
  }
  ASSERT_THAT(progress.records, SizeIs(1));
  EXPECT_EQ(progress.records[0].outcome, Outcome::kRetired);
  EXPECT_EQ(progress.records[0].kind, PageKind::kAnonymous);
  EXPECT_THAT(progress.finished, SizeIs(1));
  EXPECT_FALSE(desk_->NextDue());
}

TEST_F(RetirementDeskTest, TheDelayStopsAtItsLimit) {
  Start();
  kernel_->Holds(kPage, Use::kOffline);
  auto progress = Report(Entry(1, kPage.value));
  for (int i = 0; i < 20; ++i) {
    clock_.Advance(progress.records.at(0).next_try);
    progress = desk_->Work(10);
  }
  EXPECT_EQ(progress.records.at(0).next_try, std::chrono::minutes(5));
}

TEST_F(RetirementDeskTest, EveryReportThatWaitsForAPageGetsTheLateVerdict) {
  Start();
  kernel_->Holds(kPage, Use::kPinned);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kDeferred);
  EXPECT_EQ(Dealt(Entry(2, kPage.value)), Outcome::kDeferred);
  EXPECT_THAT(kernel_->writes(), SizeIs(1)) << "one attempt at a time";
  clock_.Advance(seconds(1));
  const auto progress = desk_->Work(10);
  EXPECT_THAT(progress.records, SizeIs(2));
  EXPECT_THAT(progress.finished, SizeIs(2));
}

TEST_F(RetirementDeskTest, ANewErrorOvertakesALongReplay) {
  Start();
  PoisonEntry replayed = Entry(1, 0x50000000, 1 << 20);
  replayed.replay = true;
  ASSERT_TRUE(desk_->Submit(replayed));
  (void)desk_->Work(4);
  ASSERT_TRUE(desk_->Submit(Entry(2, kPage.value)));
  EXPECT_EQ(desk_->Work(1).records.at(0).id, 2u);
  EXPECT_TRUE(desk_->HasWork());
}

TEST_F(RetirementDeskTest, AFloodStopsAtTheQueuesCapacityAndDuplicatesTakeNoRoom) {
  Start({}, RetirementLimits{.queue_capacity = 8});
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(desk_->Submit(Entry(1, kPage.value)));
  int taken = 0;
  for (std::uint64_t id = 2; id < 100; ++id)
    taken += desk_->Submit(Entry(id, kPage.value + id * 4096)) ? 1 : 0;
  EXPECT_EQ(taken, 7);
}

TEST_F(RetirementDeskTest, AFullBookRefusesNewPagesAndKeepsTheOldOnes) {
  Start({}, RetirementLimits{.book_capacity = 2});
  const auto progress = Report(Entry(1, kPage.value, 0x3000));
  EXPECT_THAT(progress.records, ElementsAre(Field(&VerdictRecord::outcome, Outcome::kRetired),
                                            Field(&VerdictRecord::outcome, Outcome::kFailed)));
  EXPECT_EQ(Dealt(Entry(2, kPage.value)), Outcome::kRetired);
}

TEST_F(RetirementDeskTest, ForgottenEntriesAreNeitherRetiredNorRetried) {
  Start();
  kernel_->Holds(kPage, Use::kPinned);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kDeferred);
  ASSERT_TRUE(desk_->Submit(Entry(2, kPage.value + 4096)));
  desk_->Forget(ByteRange::Make(kPage, 0x2000).value());
  clock_.Advance(seconds(10));
  EXPECT_FALSE(desk_->HasWork());
  EXPECT_THAT(kernel_->writes(), SizeIs(1));
}

TEST_F(RetirementDeskTest, WithoutALayoutTheKernelDecidesAboutPagesThatExist) {
  Start();
  kernel_->HideIomem();
  kernel_->Holds(kPage, Use::kKernelText);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kInKernel);
  EXPECT_EQ(Dealt(Entry(2, 0x800000000)), Outcome::kFailed);
}

}  // namespace
}  // namespace seaward::agent
