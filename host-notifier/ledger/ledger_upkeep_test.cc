// What operators and time do: clear, audit, retention, a ledger that had to begin anew.
#include <gmock/gmock.h>

#include <fstream>

#include "host-notifier/ledger/incarnation_name.h"
#include "host-notifier/ledger/ledger_fixture.h"
#include "host-notifier/ledger/schema.h"

namespace seaward::ledger {
namespace {

using protocol::Evidence;
using protocol::Outcome;
using std::chrono::hours;
using testing::SizeIs;

class LedgerUpkeep : public LedgerFixture {
 protected:
  AuditRow Because(const char* reason) const {
    AuditRow row;
    row.when = clock_.WallNow();
    row.action = OperatorAction::kClear;
    row.uid = 1000;
    row.pid = 77;
    row.who = "ann";
    row.vm = kVm.uuid;
    row.reason = reason;
    return row;
  }
  ByteRange Range(std::uint64_t gpa, std::uint64_t length) const {
    return ByteRange::Make(GuestPhysAddr{gpa}, length).value();
  }
  // Batch after batch; how many rows went.
  std::uint64_t Retain(hours age, std::uint64_t max_rows = 1000000, std::uint32_t batch = 3) {
    const WallTime before = clock_.WallNow() - age;
    std::uint64_t all = 0;
    for (;;) {
      const auto removed = ledger_->Retain({before, before, before, max_rows, batch});
      EXPECT_TRUE(removed) << removed.error().Text();
      if (!removed || *removed == 0) return all;
      EXPECT_LE(*removed, 2u * batch) << "small batches";
      all += *removed;
    }
  }
  std::uint64_t EventRows() {
    return ledger_->View().Events({.vm = {}, .limit = 1000}).value().size();
  }
  PoisonEvent Placeless(std::uint32_t vcpu) const {
    PoisonEvent event = Exit(0x1000);
    event.range.reset();
    event.location = Location::kUnlocated;
    event.vcpu = vcpu;
    return event;
  }
};

TEST_F(LedgerUpkeep, ClearTakesThePagesInsideTheRangeAndSaysWhoAndWhy) {
  const Uuid life = VmStarts();
  const auto inside = Record(life, Exit(0x1000)).entry->id;
  const auto outside = Record(life, Exit(0x9000)).entry->id;
  const auto cleared = ledger_->ClearPages(life, Range(0x1000, 4096), Because("DIMM replaced"));
  ASSERT_TRUE(cleared) << cleared.error().Text();
  ASSERT_THAT(*cleared, SizeIs(1));
  EXPECT_EQ(cleared->front().life, PageLife::kCleared);
  OpenLedger();
  EXPECT_EQ(Page(inside).life, PageLife::kCleared);
  EXPECT_EQ(Page(outside).life, PageLife::kReported);
  const auto audit = ledger_->View().Audit(10).value();
  ASSERT_THAT(audit, SizeIs(1));
  EXPECT_EQ(audit[0].reason, "DIMM replaced");
  EXPECT_EQ(audit[0].who, "ann");
  EXPECT_EQ(audit[0].uid, 1000u);
  EXPECT_EQ(audit[0].pid, 77);
  EXPECT_EQ(audit[0].pages, 1u);
  EXPECT_EQ(audit[0].vm, kVm.uuid);
}

TEST_F(LedgerUpkeep, ClearTouchesNoPageThatReachesBeyondTheRange) {
  const Uuid life = VmStarts();
  const auto huge = Record(life, Report(0x200000, 0x200000, Evidence::kLatent)).entry->id;
  const auto refused = ledger_->ClearPages(life, Range(0x200000, 4096), Because("guess"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Page(huge).life, PageLife::kReported);
  EXPECT_THAT(ledger_->View().Audit(10).value(), SizeIs(0)) << "nothing was done";
}

TEST_F(LedgerUpkeep, AClearedFrameStillWaitsForTheHost) {
  const Uuid life = VmStarts();
  Record(life, Exit(0x1000), PageFrame{0x4711});
  ASSERT_TRUE(ledger_->ClearPages(life, Range(0x1000, 4096), Because("moved")));
  EXPECT_EQ(Retain(hours(-1)), 2u) << "the event and the audit";
  EXPECT_THAT(ledger_->View().PendingHostRetirements().value(), SizeIs(1));
}

TEST_F(LedgerUpkeep, RetentionDropsWhatEndedLongAgoAndNothingElse) {
  const Uuid old_life = VmStarts();
  for (std::uint64_t i = 1; i <= 8; ++i) Record(old_life, Exit(i << 12));
  clock_.Advance(hours(1));
  const Uuid life = VmStarts({4712, 1});  // ends the first one
  const auto wanted = Record(life, Exit(0x1000)).entry->id;
  clock_.Advance(hours(48));
  EXPECT_EQ(Retain(hours(72)), 0u);
  EXPECT_EQ(EventRows(), 9u);
  EXPECT_GT(Retain(hours(24)), 16u);
  EXPECT_EQ(ledger_->View().Incarnation(old_life).value(), std::nullopt);
  EXPECT_EQ(Page(wanted).life, PageLife::kReported);
  EXPECT_THAT(ledger_->View().Pages({.vm = {}, .with_closed = true}).value(), SizeIs(1));
  EXPECT_EQ((*ledger_->View().FindVm("g1"))->events_pruned, 9u) << "the page's old event, too";
  EXPECT_EQ(ledger_->View().Unhealed(life)->placeless_events, 0u);
}

TEST_F(LedgerUpkeep, RetentionKeepsWhatMakesARunningVmUnsafe) {
  const Uuid life = VmStarts();
  Record(life, Placeless(1));
  clock_.Advance(hours(1000));
  EXPECT_EQ(Retain(hours(1)), 0u);
  EXPECT_EQ(ledger_->View().Unhealed(life)->placeless_events, 1u);
  ASSERT_TRUE(ledger_->EndIncarnation(life));
  EXPECT_EQ(Retain(hours(1)), 1u) << "the error; its memory ended just now";
}

TEST_F(LedgerUpkeep, RetentionKeepsTheNewestWithinTheCap) {
  const Uuid life = VmStarts();
  for (std::uint64_t i = 1; i <= 10; ++i) {
    Record(life, Exit(i << 12));
    ASSERT_TRUE(ledger_->RecordAudit(Because("again")));
    clock_.Advance(hours(1));
  }
  EXPECT_EQ(Retain(hours(10000), 4), 12u) << "six of each";
  const auto events = ledger_->View().Events({}).value();
  ASSERT_THAT(events, SizeIs(4));
  EXPECT_EQ(events.back().event.range->start().value, 0xa000u);
  EXPECT_THAT(ledger_->View().Audit(100).value(), SizeIs(4));
  EXPECT_THAT(ledger_->View().Pages({}).value(), SizeIs(10)) << "wanted pages have no cap here";
}

TEST_F(LedgerUpkeep, APageThatEndsAgainCountsFromThen) {
  const Uuid life = VmStarts();
  const auto id = Record(life, Exit(0x1000)).entry->id;
  ASSERT_TRUE(ledger_->EndIncarnation(life));
  clock_.Advance(hours(100));
  EXPECT_EQ(VmStarts(), life) << "ended by mistake";
  EXPECT_EQ(Retain(hours(1)), 1u) << "its event alone";
  EXPECT_EQ(Page(id).life, PageLife::kToReplay);
}

TEST_F(LedgerUpkeep, ANewLedgerNamesTheSameMemoryAsTheOldOne) {
  const Uuid life = VmStarts();
  ledger_.reset();
  std::filesystem::remove(Path());
  std::filesystem::remove(Path() + "-wal");
  OpenLedger();
  EXPECT_EQ(VmStarts(), life);
  EXPECT_NE(VmStarts({4711, 89}), life);
  const ProcessIdentity vmm{4711, 88};
  EXPECT_NE(NameIncarnation(kGuestBoot1, kHostBoot, vmm), life);
  EXPECT_NE(NameIncarnation(kVm.uuid, kGuestBoot1, vmm), life);
}

TEST_F(LedgerUpkeep, ARebuiltLedgerSaysSinceWhenAndFromWhat) {
  EXPECT_EQ(ledger_->View().Rebuild().value(), std::nullopt);
  ledger_.reset();
  { std::ofstream(Path(), std::ios::trunc) << std::string(9000, 'x'); }
  OpenLedger();
  ASSERT_TRUE(set_aside_);
  OpenLedger();
  EXPECT_EQ(set_aside_, std::nullopt);
  const auto rebuild = ledger_->View().Rebuild().value();
  ASSERT_TRUE(rebuild);
  EXPECT_EQ(rebuild->since, clock_.WallNow());
  EXPECT_TRUE(std::filesystem::exists(rebuild->set_aside)) << rebuild->set_aside;
  EXPECT_FALSE(rebuild->why.empty());
}

// A notifier that is updated while its VMs run.
TEST_F(LedgerUpkeep, AnOlderLedgerLearnsWhenItsPagesEnded) {
  ledger_.reset();
  std::filesystem::remove(Path());
  {
    auto database = Database::Open(Path());
    ASSERT_TRUE(Migrate(*database, Migrations().first(4)));
    const std::string vm = FormatUuid(kVm.uuid);
    const std::string host = FormatUuid(kHostBoot);
    ASSERT_TRUE(database->Execute(
        "INSERT INTO vm(uuid, name, event_rows) VALUES('" + vm +
        "', 'g1', 1);"
        "INSERT INTO incarnation VALUES('" +
        FormatUuid(kGuestBoot1) + "', '" + vm + "', '" + host + "', 1, 2, 3, 500, NULL, 0), ('" +
        FormatUuid(kGuestBoot2) + "', '" + vm + "', '" + host +
        "', 4711, 88, 600, NULL, NULL, 0);"
        "INSERT INTO page(id, incarnation, gpa, length, evidence, life, event_count, first_mono_ns,"
        " first_wall_ns, last_wall_ns, first_boots, host_retired) VALUES"
        "(1, '" +
        FormatUuid(kGuestBoot1) +
        "', 4096, 4096, 'consumed', 'closed', 1, 1, 1, 9, 0, 'no'),"
        "(2, '" +
        FormatUuid(kGuestBoot2) +
        "', 4096, 4096, 'consumed', 'cleared', 1, 1, 1, 9, 0, 'no'),"
        "(3, '" +
        FormatUuid(kGuestBoot2) + "', 8192, 4096, 'consumed', 'retired', 1, 1, 1, 9, 0, 'no')"));
  }
  OpenLedger();
  EXPECT_EQ(set_aside_, std::nullopt);
  EXPECT_EQ(VmStarts(), kGuestBoot2) << "memory keeps the name that its guest knows";
  EXPECT_EQ(Page(3).life, PageLife::kRetired);
  EXPECT_GT(Retain(hours(1)), 0u);
  EXPECT_THAT(ledger_->View().Pages({.vm = {}, .with_closed = true}).value(), SizeIs(1));
  ledger_.reset();
  EXPECT_EQ(Database::Open(Path())->Ask("PRAGMA user_version").value(), "8");
}

}  // namespace
}  // namespace seaward::ledger
