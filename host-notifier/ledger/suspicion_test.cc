// Places that a table walk led to: events at once, pages only when something else confirms them.
#include <gmock/gmock.h>

#include "host-notifier/ledger/ledger_fixture.h"
#include "host-notifier/ledger/schema.h"

namespace seaward::ledger {
namespace {

using testing::SizeIs;

constexpr std::uint64_t kTable = 0x48048000;
constexpr std::uint64_t kGva = 0xffff800012345678;

class Suspicion : public LedgerFixture {
 protected:
  std::vector<PageRow> Pages() { return ledger_->View().Pages({}).value(); }
};

TEST_F(Suspicion, IsAnEventAndNoPage) {
  const Uuid life = VmStarts();
  const auto recorded = Record(life, WalkedExit(kTable, kGva), PageFrame{77});
  EXPECT_FALSE(recorded.entry);
  EXPECT_FALSE(recorded.is_new);
  EXPECT_THAT(Pages(), SizeIs(0));
  EXPECT_THAT(ledger_->View().PendingHostRetirements().value(), SizeIs(0));
  const auto events = ledger_->View().Events({}).value();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].event.location, Location::kSuspected);
  EXPECT_EQ(events[0].event.located_by(), LocatedBy::kWalk);
  EXPECT_EQ(events[0].event.suspect, ByteRange::Granule(GuestPhysAddr{kTable}));
  EXPECT_EQ(events[0].event.range, std::nullopt);
  EXPECT_EQ(events[0].page, std::nullopt);
}

TEST_F(Suspicion, IsNotConfirmedByTheSameAccessFailingAgain) {
  const Uuid life = VmStarts();
  Record(life, WalkedExit(kTable, kGva));
  EXPECT_FALSE(Record(life, WalkedExit(kTable, kGva ^ 0xff)).entry) << "the same page's walk";
  EXPECT_FALSE(Record(life, WalkedExit(kTable + 0x1000, kGva + 0x1000)).entry) << "another table";
  EXPECT_THAT(Pages(), SizeIs(0));
}

TEST_F(Suspicion, IsConfirmedByAWalkForAnotherPage) {
  const Uuid life = VmStarts();
  Record(life, WalkedExit(kTable, kGva));
  const auto second = Record(life, WalkedExit(kTable, kGva + 0x1000), PageFrame{77});
  ASSERT_TRUE(second.entry);
  EXPECT_TRUE(second.is_new);
  const PageRow page = Page(second.entry->id);
  EXPECT_EQ(page.range, ByteRange::Granule(GuestPhysAddr{kTable}));
  EXPECT_EQ(page.located_by, LocatedBy::kWalk);
  EXPECT_EQ(page.host_retired, HostRetired::kPending);
  const auto third = Record(life, WalkedExit(kTable, kGva));
  EXPECT_EQ(third.entry->id, second.entry->id);
  EXPECT_FALSE(third.is_new);
}

TEST_F(Suspicion, IsConfirmedByAnExitThatKvmLocates) {
  const Uuid life = VmStarts();
  Record(life, WalkedExit(kTable, kGva));
  const auto located = Record(life, Exit(kTable));
  ASSERT_TRUE(located.entry);
  EXPECT_EQ(Page(located.entry->id).located_by, LocatedBy::kGpa);
  const auto walked = Record(life, WalkedExit(kTable, kGva));
  ASSERT_TRUE(walked.entry);
  EXPECT_EQ(walked.entry->id, located.entry->id);
  EXPECT_EQ(Page(located.entry->id).located_by, LocatedBy::kGpa);
  EXPECT_EQ(Page(located.entry->id).event_count, 2u);
}

TEST_F(Suspicion, OfAWalkedPageGivesWayToKvmsOwnWord) {
  const Uuid life = VmStarts();
  Record(life, WalkedExit(kTable, kGva));
  const auto walked = Record(life, WalkedExit(kTable, kGva + 0x1000));
  ASSERT_TRUE(walked.entry);
  Record(life, Exit(kTable));
  EXPECT_EQ(Page(walked.entry->id).located_by, LocatedBy::kGpa);
}

TEST_F(Suspicion, DoesNotOutliveTheMemory) {
  Record(VmStarts(), WalkedExit(kTable, kGva));
  const Uuid next = VmStarts({4712, 99});
  EXPECT_FALSE(Record(next, WalkedExit(kTable, kGva + 0x1000)).entry);
}

TEST_F(Suspicion, LeavesPagesOfAnOlderLedgerLocated) {
  ledger_.reset();
  std::filesystem::remove(Path());
  {
    auto database = Database::Open(Path());
    ASSERT_TRUE(Migrate(*database, Migrations().first(1)));
    const std::string vm = FormatUuid(kVm.uuid);
    ASSERT_TRUE(database->Execute("INSERT INTO vm(uuid, name) VALUES('" + vm + "', 'g1')"));
    ASSERT_TRUE(
        database->Execute("INSERT INTO incarnation(id, vm, host_boot, pid, start_time, "
                          "began_wall_ns) VALUES('" +
                          vm + "', '" + vm + "', '" + vm + "', 1, 2, 3)"));
    ASSERT_TRUE(database->Execute(
        "INSERT INTO page(incarnation, gpa, length, evidence, life, event_count, first_mono_ns, "
        "first_wall_ns, last_wall_ns, first_boots, host_retired) VALUES('" +
        vm + "', 1208254464, 4096, 'consumed', 'retired', 1, 1, 1, 1, 0, 'no')"));
  }
  OpenLedger();
  const auto pages = ledger_->View().Pages({.vm = std::nullopt, .with_closed = true}).value();
  ASSERT_THAT(pages, SizeIs(1));
  EXPECT_EQ(pages[0].located_by, LocatedBy::kGpa);
}

}  // namespace
}  // namespace seaward::ledger
