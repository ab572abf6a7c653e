// What the desk comes back to: pages that leave the kernel, and pages that were retired and may not
// be any more.
#include "guest-agent/retire/desk_fixture.h"

namespace seaward::agent {
namespace {

using protocol::Evidence;
using protocol::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Use = FakeKernel::Use;

class KernelWatchTest : public DeskTest {
 protected:
  // Works when the next look is due and returns how long that took.
  seconds UntilNextLook(RetirementProgress& progress) {
    const MonoTime began = clock_.Now();
    clock_.Advance(desk_->NextDue().value() - began);
    progress = desk_->Work(10);
    return std::chrono::duration_cast<seconds>(clock_.Now() - began);
  }
};

TEST_F(KernelWatchTest, LooksAgainAfterOneSecondDoublingToAMinute) {
  Start();
  kernel_->Holds(kPage, Use::kSlab);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kInKernel);
  RetirementProgress progress;
  for (const int expected : {1, 2, 4, 8, 16, 32, 60, 60}) {
    EXPECT_EQ(UntilNextLook(progress), seconds(expected));
    EXPECT_THAT(progress.records, IsEmpty()) << "nothing new is nothing to say";
  }
  EXPECT_THAT(kernel_->writes(), SizeIs(1)) << "a look is no attempt";
}

TEST_F(KernelWatchTest, AFlaggedPageThatTheKernelGaveUpIsRetired) {
  Start();
  kernel_->Holds(kPage, Use::kPageTable);
  EXPECT_EQ(Dealt(Entry(7, kPage.value)), Outcome::kInKernel);
  EXPECT_EQ(desk_->retired_bytes(), 0u);
  kernel_->NowHolds(kPage, Use::kKernelPlain);  // freed: flagged, on no list
  RetirementProgress progress;
  UntilNextLook(progress);
  ASSERT_THAT(progress.records, SizeIs(1));
  EXPECT_EQ(progress.records[0].id, 7u);
  EXPECT_EQ(progress.records[0].outcome, Outcome::kRetired);
  EXPECT_THAT(progress.to_keep, SizeIs(1));
  EXPECT_EQ(desk_->retired_bytes(), 4096u);
  EXPECT_FALSE(desk_->NextDue()) << "the watch is over";
  EXPECT_EQ(Dealt(Entry(7, kPage.value)), Outcome::kRetired);
}

TEST_F(KernelWatchTest, APartOfALargerAllocationMayBeInUseWithoutAFlagThatSaysSo) {
  Start();
  kernel_->Holds(kPage, Use::kCompoundSlab);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kInKernel);
  kernel_->NowHolds(kPage, Use::kKernelPlain);
  RetirementProgress progress;
  for (int i = 0; i < 10; ++i) {
    UntilNextLook(progress);
    EXPECT_THAT(progress.records, IsEmpty());
  }
}

TEST_F(KernelWatchTest, WhatASoftAttemptLeftUnflaggedIsAttemptedWhenItIsFree) {
  Start();
  kernel_->Holds(kPage, Use::kSlab);
  EXPECT_EQ(Dealt(Entry(1, kPage.value, 4096, Evidence::kPredicted)), Outcome::kInKernel);
  kernel_->NowHolds(kPage, Use::kFree);
  RetirementProgress progress;
  UntilNextLook(progress);
  ASSERT_THAT(progress.records, SizeIs(1));
  EXPECT_EQ(progress.records[0].outcome, Outcome::kRetired);
  EXPECT_THAT(kernel_->writes(), SizeIs(2));
}

TEST_F(KernelWatchTest, TheKernelsImageIsNotWatched) {
  Start();
  kernel_->Holds(kPage, Use::kKernelText);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kInKernel);
  EXPECT_FALSE(desk_->NextDue());
}

TEST_F(KernelWatchTest, ARestartedAgentWatchesOnAndAsksTheHostForTheName) {
  Start();
  kernel_->Holds(kPage, Use::kSlab);
  kernel_->Flags(kPage);
  EXPECT_TRUE(desk_->Restore(ByteRange::Granule(kPage),
                             {.outcome = Outcome::kInKernel, .kind = protocol::PageKind::kKernel}));
  kernel_->NowHolds(kPage, Use::kKernelPlain);
  RetirementProgress progress;
  UntilNextLook(progress);
  EXPECT_THAT(progress.records, IsEmpty());
  EXPECT_THAT(progress.outdated, ElementsAre(ByteRange::Granule(kPage)));
  EXPECT_EQ(Dealt(Entry(9, kPage.value)), Outcome::kRetired);
}

TEST_F(KernelWatchTest, AForgottenPageIsNotWatched) {
  Start();
  kernel_->Holds(kPage, Use::kSlab);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kInKernel);
  desk_->Forget(ByteRange::Granule(kPage));
  EXPECT_FALSE(desk_->NextDue());
}

TEST_F(KernelWatchTest, NoMorePagesAreWatchedThanAgreed) {
  Start({}, RetirementLimits{.watch_capacity = 3});
  for (std::uint64_t i = 0; i < 8; ++i) {
    const GuestPhysAddr page{kPage.value + i * 4096};
    kernel_->Holds(page, Use::kSlab);
    EXPECT_EQ(Dealt(Entry(i + 1, page.value)), Outcome::kInKernel);
  }
  EXPECT_EQ(desk_->watched_pages(), 3u);
}

using ReverificationTest = DeskTest;

TEST_F(ReverificationTest, APageThatTheKernelForgotIsRetiredAgainAndTheHostNeedNotKnow) {
  Start();
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kRetired);
  EXPECT_EQ(Dealt(Entry(2, kPage.value + 0x10000)), Outcome::kRetired);
  kernel_->Forgets(kPage);
  desk_->Reverify();
  const auto progress = desk_->Work(10);
  EXPECT_THAT(progress.restored, ElementsAre(ByteRange::Granule(kPage)));
  EXPECT_THAT(progress.records, IsEmpty());
  EXPECT_THAT(kernel_->writes(), SizeIs(3));
  EXPECT_EQ(desk_->retired_bytes(), 8192u);
  EXPECT_FALSE(desk_->HasWork());
}

TEST_F(ReverificationTest, APageThatIsNowInUseByTheKernelIsToldToTheHost) {
  Start();
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kRetired);
  kernel_->Forgets(kPage);
  kernel_->Holds(kPage, Use::kSlab);
  desk_->Reverify();
  EXPECT_THAT(desk_->Work(10).outdated, ElementsAre(ByteRange::Granule(kPage)));
  EXPECT_EQ(desk_->retired_bytes(), 0u);
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kInKernel);
}

TEST_F(ReverificationTest, GoesInSlicesBehindNewErrors) {
  Start();
  for (std::uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(Dealt(Entry(i + 1, kPage.value + i * 4096)), Outcome::kRetired);
    kernel_->Forgets(GuestPhysAddr{kPage.value + i * 4096});
  }
  desk_->Reverify();
  EXPECT_THAT(desk_->Work(4).restored, SizeIs(4));
  ASSERT_TRUE(desk_->Submit(Entry(50, 0x50000000)));
  EXPECT_EQ(desk_->Work(1).records.at(0).id, 50u);
  EXPECT_THAT(desk_->Work(100).restored, SizeIs(16));
}

TEST_F(ReverificationTest, MemoryThatIsAwayIsLookedAtWhenItIsBack) {
  Start();
  EXPECT_EQ(Dealt(Entry(1, kPage.value)), Outcome::kRetired);
  kernel_->Forgets(kPage);
  kernel_->ShowsNoPage(kPage);
  kernel_->Holds(kPage, Use::kNotRam);
  desk_->Reverify();
  (void)desk_->Work(10);
  kernel_->Forgets(kPage);
  desk_->Reverify();
  EXPECT_THAT(desk_->Work(10).restored, ElementsAre(ByteRange::Granule(kPage)));
}

TEST_F(ReverificationTest, WhatAnEarlierAgentRetiredIsBelievedOnlyWhenTheKernelShowsIt) {
  Start();
  const PageVerdict retired{.outcome = Outcome::kRetired, .kind = protocol::PageKind::kFree};
  EXPECT_FALSE(desk_->Restore(ByteRange::Granule(kPage), retired));
  EXPECT_EQ(desk_->retired_bytes(), 0u);
  kernel_->Flags(kPage);
  EXPECT_TRUE(desk_->Restore(ByteRange::Granule(kPage), retired));
  EXPECT_EQ(desk_->retired_bytes(), 4096u);
}

}  // namespace
}  // namespace seaward::agent
