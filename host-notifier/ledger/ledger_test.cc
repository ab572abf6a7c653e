#include "host-notifier/ledger/ledger.h"

#include <gmock/gmock.h>

#include "host-notifier/classify/classify.h"
#include "host-notifier/ledger/ledger_fixture.h"

namespace seaward::ledger {
namespace {

using protocol::Evidence;
using protocol::Outcome;
using std::chrono::microseconds;
using testing::HasSubstr;
using testing::SizeIs;

class LedgerTest : public LedgerFixture {};

TEST_F(LedgerTest, OnePageHasOneRowHoweverOftenItIsSeen) {
  const Uuid life = VmStarts();
  const auto first = Record(life, Exit(0x48048000));
  ASSERT_TRUE(first.entry);
  EXPECT_TRUE(first.is_new);
  clock_.Advance(microseconds(10));
  PoisonEvent again = Exit(0x48048000);
  again.count = 41;
  const auto second = Record(life, again);
  EXPECT_FALSE(second.is_new);
  EXPECT_EQ(second.entry->id, first.entry->id);
  const PageRow page = Page(first.entry->id);
  EXPECT_EQ(page.event_count, 42u);
  EXPECT_EQ(page.last_seen - page.first_seen, microseconds(10));
  EXPECT_THAT(ledger_->View().Pages({}).value(), SizeIs(1));
  EXPECT_THAT(ledger_->View().Events({}).value(), SizeIs(2));
}

TEST_F(LedgerTest, EventsComeBackAsTheyWere) {
  const Uuid life = VmStarts();
  const auto recorded = Record(life, Exit(0x48048000));
  PoisonEvent walk;
  walk.location = Location::kGvaOnly;
  walk.access = Access::kTableWalk;
  walk.severity = Severity::kUncontainable;
  walk.gva = GuestVirtAddr{0xffff800012345678};
  walk.raw_gva = 0xffff800012345678;
  walk.esr = 0x92000017;
  walk.when = clock_.Now();
  walk.wall = clock_.WallNow();
  EXPECT_FALSE(Record(life, walk).entry);
  const auto events = ledger_->View().Events({}).value();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].page, recorded.entry->id);
  EXPECT_EQ(events[0].event.range, ByteRange::Granule(GuestPhysAddr{0x48048000}));
  EXPECT_EQ(events[0].event.esr, 0x92000010u);
  EXPECT_EQ(events[0].event.flags, 1u);
  EXPECT_EQ(events[0].event.when, clock_.Now());
  EXPECT_EQ(events[0].event.hva.value, 0x7f0000000000u);
  EXPECT_EQ(events[1].page, std::nullopt);
  EXPECT_EQ(events[1].event.range, std::nullopt);
  EXPECT_EQ(events[1].event.gva->value, 0xffff800012345678u);
  EXPECT_EQ(events[1].event.access, Access::kTableWalk);
  EXPECT_EQ(events[1].event.location, Location::kGvaOnly);
  EXPECT_EQ(events[1].event.severity, Severity::kUncontainable);
  EXPECT_EQ(events[1].vm.name, "g1");
}

TEST_F(LedgerTest, ExposureEndsAtTheFirstVerdictRetired) {
  const Uuid life = VmStarts();
  const auto entry = Record(life, Exit(0x48048000)).entry.value();
  clock_.Advance(microseconds(700));
  auto page = GuestAnswers(life, kGuestBoot1, VerdictOn(entry, Outcome::kInKernel));
  EXPECT_EQ(page->life, PageLife::kFailed);
  EXPECT_EQ(page->exposure, std::nullopt);
  clock_.Advance(microseconds(34));
  page = GuestAnswers(life, kGuestBoot2, VerdictOn(entry, Outcome::kRetired));
  EXPECT_EQ(page->life, PageLife::kRetired);
  EXPECT_EQ(page->outcome, Outcome::kRetired);
  EXPECT_EQ(page->kind, protocol::PageKind::kAnonymous);
  EXPECT_EQ(page->exposure, microseconds(734));
  clock_.Advance(microseconds(50));
  page = GuestAnswers(life, kGuestBoot2, VerdictOn(entry, Outcome::kRetired));
  EXPECT_EQ(page->exposure, microseconds(734));
}

TEST_F(LedgerTest, ANewBootPutsEveryPageBackToReplay) {
  const Uuid life = VmStarts();
  const auto entry = Record(life, Exit(0x1000)).entry.value();
  const auto untold = Record(life, Exit(0x9000)).entry.value();
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1).value());
  ASSERT_TRUE(ledger_->RecordDelivered(std::vector{entry.id}));
  EXPECT_EQ(Page(entry.id).life, PageLife::kDelivered);
  ASSERT_TRUE(GuestAnswers(life, kGuestBoot1, VerdictOn(entry, Outcome::kRetired)));
  EXPECT_FALSE(ledger_->BeginBoot(life, kGuestBoot1).value());
  EXPECT_EQ(Page(entry.id).life, PageLife::kRetired);
  EXPECT_TRUE(ledger_->BeginBoot(life, kGuestBoot2).value());
  EXPECT_EQ(Page(entry.id).life, PageLife::kToReplay);
  EXPECT_EQ(Page(untold.id).life, PageLife::kReported);
  const auto wanted = ledger_->View().WantedPages(life).value();
  ASSERT_THAT(wanted, SizeIs(2));
  EXPECT_TRUE(wanted[0].replay);
}

TEST_F(LedgerTest, PredictedPagesAreForgottenByANewBoot) {
  const Uuid life = VmStarts();
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1).value());
  const auto entry = Record(life, Report(0x1000, 4096, Evidence::kPredicted)).entry.value();
  ASSERT_TRUE(GuestAnswers(life, kGuestBoot1, VerdictOn(entry, Outcome::kRetired)));
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot2).value());
  EXPECT_EQ(Page(entry.id).life, PageLife::kCleared);
  EXPECT_TRUE(ledger_->View().WantedPages(life)->empty());
  EXPECT_TRUE(Record(life, Exit(0x1000)).is_new) << "consumed now: a page of its own again";
}

TEST_F(LedgerTest, WorseEvidenceRaisesThePageAndAsksForItsFrame) {
  const Uuid life = VmStarts();
  const auto entry = Record(life, Report(0x1000, 4096, Evidence::kPredicted)).entry.value();
  EXPECT_EQ(Page(entry.id).host_retired, HostRetired::kNo);
  const auto worse = Record(life, Exit(0x1000), PageFrame{77});
  EXPECT_TRUE(worse.evidence_raised);
  EXPECT_EQ(worse.entry->evidence, Evidence::kConsumed);
  EXPECT_EQ(Page(entry.id).host_retired, HostRetired::kPending);
  EXPECT_FALSE(Record(life, Report(0x1000, 4096, Evidence::kLatent)).evidence_raised);
  EXPECT_EQ(Page(entry.id).evidence, Evidence::kConsumed);
}

TEST_F(LedgerTest, AnExitInsideAKnownRangeBelongsToIt) {
  const Uuid life = VmStarts();
  const auto huge = Record(life, Report(0x200000, 0x200000, Evidence::kLatent)).entry.value();
  EXPECT_EQ(Record(life, Exit(0x3ff000)).entry->id, huge.id);
  EXPECT_NE(Record(life, Exit(0x400000)).entry->id, huge.id);
  EXPECT_NE(Record(life, Exit(0x1ff000)).entry->id, huge.id);
}

TEST_F(LedgerTest, PartsOfAnEntryAddUpAndTheWorstCounts) {
  const Uuid life = VmStarts();
  const auto entry = Record(life, Report(0x10000, 0x3000, Evidence::kLatent)).entry.value();
  auto part = [&](std::uint64_t gpa, std::uint64_t length, Outcome outcome) {
    auto record = VerdictOn(entry, outcome);
    record.range = ByteRange::Make(GuestPhysAddr{gpa}, length).value();
    clock_.Advance(microseconds(1));
    return GuestAnswers(life, kGuestBoot1, record).value();
  };
  EXPECT_EQ(part(0x10000, 0x1000, Outcome::kRetired).outcome, std::nullopt);
  EXPECT_EQ(part(0x12000, 0x1000, Outcome::kRetired).outcome, std::nullopt);
  EXPECT_EQ(part(0x11000, 0x1000, Outcome::kInKernel).outcome, Outcome::kInKernel);
  EXPECT_EQ(part(0x11000, 0x1000, Outcome::kRetired).outcome, Outcome::kRetired);
  // A whole guest page of 64 KiB around the entry.
  EXPECT_EQ(part(0x10000, 0x10000, Outcome::kAlreadyRetired).outcome, Outcome::kAlreadyRetired);
}

TEST_F(LedgerTest, AGuestSpeaksOnlyAboutItsOwnPagesAndBoot) {
  const Uuid life = VmStarts();
  const auto entry = Record(life, Exit(0x1000)).entry.value();
  const VmIdentity other{kGuestBoot2, "g2"};
  const Uuid other_life = ledger_->BeginIncarnation(other, {4712, 1})->id;
  const auto refused = [&](const auto& answer) {
    return !answer && answer.error().code == ErrorCode::kInvalid;
  };
  EXPECT_TRUE(refused(GuestAnswers(other_life, kGuestBoot1, VerdictOn(entry, Outcome::kRetired))));
  auto unknown = VerdictOn(entry, Outcome::kRetired);
  unknown.id = 999;
  EXPECT_TRUE(refused(GuestAnswers(life, kGuestBoot1, unknown)));
  auto elsewhere = VerdictOn(entry, Outcome::kRetired);
  elsewhere.range = ByteRange::Granule(GuestPhysAddr{0x2000});
  EXPECT_TRUE(refused(GuestAnswers(life, kGuestBoot1, elsewhere)));
  EXPECT_TRUE(refused(ledger_->RecordVerdict(life, kGuestBoot2, VerdictOn(entry, Outcome::kRetired),
                                             clock_.Now())));
  EXPECT_EQ(Page(entry.id).life, PageLife::kReported);
}

TEST_F(LedgerTest, TheSameProcessIsTheSameIncarnation) {
  const Uuid life = VmStarts();
  const auto entry = Record(life, Exit(0x1000)).entry.value();
  EXPECT_EQ(VmStarts(), life);
  ASSERT_TRUE(ledger_->EndIncarnation(life));
  EXPECT_EQ(Page(entry.id).life, PageLife::kClosed);
  EXPECT_EQ(VmStarts(), life) << "ended by mistake";
  EXPECT_EQ(Page(entry.id).life, PageLife::kToReplay);
  const Uuid next = VmStarts({4711, 99});
  EXPECT_NE(next, life) << "a pid used again";
  EXPECT_EQ(Page(entry.id).life, PageLife::kClosed);
  EXPECT_TRUE(ledger_->View().WantedPages(next)->empty());
  EXPECT_THAT(ledger_->View().OpenIncarnations().value(), SizeIs(1));
}

TEST_F(LedgerTest, MemoryThatStaysKeepsItsBadPages) {
  const Uuid first = VmStarts();
  Record(first, Exit(0x40711000), PageFrame{0x123});
  const auto cleared = Record(first, Exit(0x40712000), PageFrame{0x124}).entry->id;
  ASSERT_TRUE(ledger_->RecordHeal(cleared, HealState::kHealed, ""));
  const auto begin = [&](pid_t pid, Backing backing) {
    return ledger_->BeginIncarnation(kVm, {pid, 1}, backing)->id;
  };
  const Uuid second = begin(7001, Backing::kFixed);
  const auto pages = ledger_->View().WantedPages(second).value();
  ASSERT_EQ(pages.size(), 1u);
  EXPECT_EQ(pages[0].range.start(), GuestPhysAddr{0x40711000});
  EXPECT_EQ(Page(pages[0].id).life, PageLife::kToReplay);
  EXPECT_EQ(Page(pages[0].id).host_frame, PageFrame{0x123});
  EXPECT_EQ(Page(pages[0].id).host_address, std::nullopt) << "of another process";
  EXPECT_EQ(ledger_->BeginIncarnation(kVm, {7001, 1}, Backing::kFixed)->id, second);
  EXPECT_EQ(ledger_->View().WantedPages(second)->size(), 1u) << "carried once";
  EXPECT_EQ(ledger_->View().WantedPages(begin(7002, Backing::kFixed))->size(), 1u) << "and again";
  EXPECT_TRUE(ledger_->View().WantedPages(begin(7003, Backing::kFresh))->empty());
}

TEST_F(LedgerTest, FramesWaitForTheHostBeyondTheEndOfTheVm) {
  const Uuid life = VmStarts();
  const auto entry = Record(life, Exit(0x1000), PageFrame{0x4711}).entry.value();
  ASSERT_TRUE(ledger_->EndIncarnation(life));
  const auto pending = ledger_->View().PendingHostRetirements().value();
  ASSERT_THAT(pending, SizeIs(1));
  EXPECT_EQ(pending[0].frame.number, 0x4711u);
  EXPECT_TRUE(pending[0].vm_ended);
  ASSERT_TRUE(ledger_->RecordHostRetirement(entry.id, HostRetired::kRefused, 16));
  EXPECT_EQ(Page(entry.id).host_retired, HostRetired::kRefused);
  EXPECT_EQ(Page(entry.id).host_errno, 16);
  EXPECT_TRUE(ledger_->View().PendingHostRetirements()->empty());
}

TEST_F(LedgerTest, ARebootOfTheHostEndsEverything) {
  const Uuid life = VmStarts();
  const auto entry = Record(life, Exit(0x1000), PageFrame{0x4711}).entry.value();
  OpenLedger(kGuestBoot2);
  EXPECT_TRUE(ledger_->View().OpenIncarnations()->empty());
  EXPECT_TRUE(ledger_->View().PendingHostRetirements()->empty());
  EXPECT_EQ(Page(entry.id).life, PageLife::kClosed);
  EXPECT_EQ(Page(entry.id).host_retired, HostRetired::kNo);
  EXPECT_NE(VmStarts(), life);
}

TEST_F(LedgerTest, ReservedIdsAreNeverGivenAgain) {
  const Uuid life = VmStarts();
  const std::uint64_t first = ledger_->ReservePageIds(8).value();
  OpenLedger();
  EXPECT_EQ(ledger_->ReservePageIds(1).value(), first + 8);
  const auto chosen = ledger_->RecordEvent(life, Exit(0x1000), std::nullopt, first + 3);
  EXPECT_EQ(chosen->entry->id, first + 3);
  EXPECT_EQ(Record(life, Exit(0x2000)).entry->id, first + 9);
}

TEST_F(LedgerTest, FindsVmsByNameAndUuid) {
  VmStarts();
  EXPECT_EQ((*ledger_->View().FindVm("g1"))->vm.uuid, kVm.uuid);
  EXPECT_EQ((*ledger_->View().FindVm(FormatUuid(kVm.uuid)))->vm.name, "g1");
  EXPECT_EQ(ledger_->View().FindVm("g2").value(), std::nullopt);
}

TEST_F(LedgerTest, OldEventsMakeRoomAndAreCounted) {
  OpenLedger(kHostBoot, {.event_rows_per_vm = 10, .event_prune_lot = 4});
  const Uuid life = VmStarts();
  PoisonEvent event = Exit(0x1000);
  event.range.reset();
  event.location = Location::kUnlocated;
  for (std::uint32_t i = 0; i < 12; ++i) {
    event.vcpu = i;
    Record(life, event);
  }
  const auto left = ledger_->View().Events({}).value();
  ASSERT_THAT(left, SizeIs(8));
  EXPECT_EQ(left.front().event.vcpu, 4u);
  EXPECT_EQ(left.back().event.vcpu, 11u);
  EXPECT_EQ((*ledger_->View().FindVm("g1"))->events_pruned, 4u);
}

TEST_F(LedgerTest, WhatAGuestCanMakeGrowIsBounded) {
  OpenLedger(kHostBoot,
             {.pages_per_incarnation = 2, .incarnations_per_vm = 2, .verdicts_per_page = 2});
  Uuid life = VmStarts();
  Record(life, Exit(0x1000));
  const auto entry = Record(life, Report(0x2000, 0x4000, Evidence::kLatent)).entry.value();
  const auto third = Record(life, Exit(0x9000));
  EXPECT_TRUE(third.limit_reached);
  EXPECT_FALSE(third.entry);
  EXPECT_THAT(ledger_->View().Events({}).value(), SizeIs(3)) << "never silently";
  for (std::uint64_t gpa = 0x2000; gpa < 0x5000; gpa += 0x1000) {
    auto part = VerdictOn(entry, Outcome::kRetired);
    part.range = ByteRange::Granule(GuestPhysAddr{gpa});
    const auto answer = GuestAnswers(life, kGuestBoot1, part);
    if (gpa < 0x4000)
      EXPECT_TRUE(answer);
    else
      EXPECT_EQ(answer.error().code, ErrorCode::kLimit);
  }
  for (pid_t pid = 1; pid < 6; ++pid) {
    clock_.Advance(std::chrono::seconds(1));
    life = VmStarts({pid, 1});
    Record(life, Exit(0x1000));
  }
  EXPECT_THAT(ledger_->View().Pages({.vm = {}, .with_closed = true}).value(), SizeIs(2));
}

TEST_F(LedgerTest, OddPlacesAreRecordedAsEventsOnly) {
  const Uuid life = VmStarts();
  PoisonEvent top = Exit(0x1000);
  top.range = ByteRange::Granule(GuestPhysAddr{0xfffffffffffff000});
  EXPECT_FALSE(Record(life, top).entry);
  EXPECT_FALSE(Record(life, Report(0, 2 * kMaxRangeBytes, Evidence::kLatent)).entry);
  EXPECT_EQ(ledger_->View().Events({}).value()[0].event.range, top.range);
}

}  // namespace
}  // namespace seaward::ledger
