// What the ledger says to alarms, to can-migrate and to metrics.
#include "host-notifier/ledger/ledger_fixture.h"
#include "host-notifier/ledger/schema.h"

namespace seaward::ledger {
namespace {

using protocol::Evidence;

class LedgerWatch : public LedgerFixture {
 protected:
  bool Changes(AlarmKind kind, bool raised) {
    clock_.Advance(std::chrono::seconds(1));
    const auto row = ledger_->RecordAlarm(kVm, kind, raised);
    EXPECT_TRUE(row) << row.error().Text();
    return row && row->has_value();
  }
  std::vector<AlarmRow> All() { return ledger_->View().Alarms(std::nullopt, 10000).value(); }
};

TEST_F(LedgerWatch, EachChangeIsOneRowAndSurvives) {
  VmStarts();
  EXPECT_FALSE(Changes(AlarmKind::kUnattached, false)) << "never raised: nothing is over";
  EXPECT_TRUE(Changes(AlarmKind::kUnattached, true));
  const WallTime raised_at = clock_.WallNow();
  OpenLedger();
  EXPECT_FALSE(Changes(AlarmKind::kUnattached, true));
  EXPECT_TRUE(Changes(AlarmKind::kUnsafeToMigrate, true)) << "kinds do not mix";
  EXPECT_TRUE(Changes(AlarmKind::kUnattached, false));
  const auto rows = All();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].vm.name, "g1");
  EXPECT_TRUE(rows[0].raised);
  EXPECT_EQ(rows[0].when, raised_at);
  EXPECT_EQ(rows[1].kind, AlarmKind::kUnsafeToMigrate);
  EXPECT_EQ(rows[2].kind, AlarmKind::kUnattached);
  EXPECT_FALSE(rows[2].raised);
  EXPECT_EQ(ledger_->View().Alarms(std::nullopt, 1).value()[0].id, rows[2].id) << "the newest";
  EXPECT_TRUE(ledger_->View().Alarms(Uuid{}, 10).value().empty());
}

TEST_F(LedgerWatch, OldestChangesMakeRoom) {
  LedgerLimits limits;
  limits.alarm_rows_per_vm = 4;
  OpenLedger(kHostBoot, limits);
  VmStarts();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Changes(AlarmKind::kUnattached, i % 2 == 0));
  const auto rows = All();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows.back().id, 10u);
  EXPECT_FALSE(rows.back().raised);
}

TEST_F(LedgerWatch, OfAVmThatTheLedgerNeverMetAreRefused) {
  EXPECT_FALSE(ledger_->RecordAlarm(kVm, AlarmKind::kUnattached, true));
}

TEST_F(LedgerWatch, ALedgerOfTheFirstVersionLearnsThem) {
  ledger_.reset();
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directory(folder_);
  {
    auto database = Database::Open(Path());
    ASSERT_TRUE(Migrate(*database, Migrations().first(1)));
    ASSERT_TRUE(database->Execute("INSERT INTO vm(uuid, name) VALUES('" + FormatUuid(kVm.uuid) +
                                  "', 'g1')"));
  }
  OpenLedger();
  EXPECT_TRUE(Changes(AlarmKind::kUnattached, true));
  EXPECT_EQ(All().size(), 1u);
}

TEST_F(LedgerWatch, UnhealedMemoryIsWhatConsumersWouldStillRead) {
  const Uuid incarnation = VmStarts();
  const auto unhealed = [&] { return ledger_->View().Unhealed(incarnation).value(); };
  EXPECT_EQ(unhealed().pages, 0u);
  Record(incarnation, Report(0x50000000, 4096, Evidence::kPredicted));
  EXPECT_EQ(unhealed().pages, 0u) << "its data is good";
  const auto consumed = Record(incarnation, Exit(0x40711000));
  Record(incarnation, Report(0x60000000, 8192, Evidence::kLatent));
  PoisonEvent placeless;
  Record(incarnation, placeless);
  EXPECT_EQ(unhealed().pages, 2u);
  EXPECT_EQ(unhealed().bytes, 12288u);
  EXPECT_EQ(unhealed().placeless_events, 1u);
  ASSERT_TRUE(GuestAnswers(incarnation, kGuestBoot1,
                           VerdictOn(*consumed.entry, protocol::Outcome::kRetired)));
  EXPECT_EQ(unhealed().pages, 2u) << "out of the guest's use, but still there to be read";
  ASSERT_TRUE(ledger_->RecordHeal(consumed.entry->id, HealState::kRefused, "vfio"));
  EXPECT_EQ(unhealed().pages, 2u);
  ASSERT_TRUE(ledger_->RecordHeal(consumed.entry->id, HealState::kHealed, ""));
  EXPECT_EQ(unhealed().pages, 1u);
  ASSERT_TRUE(ledger_->EndIncarnation(incarnation));
  EXPECT_EQ(unhealed().pages, 0u);
}

TEST_F(LedgerWatch, PagesAreCountedByLifeForThePresentMemoryOnly) {
  const Uuid first = VmStarts();
  const WallTime oldest = clock_.WallNow();
  const auto retired = Record(first, Exit(0x40711000));
  clock_.Advance(std::chrono::seconds(5));
  Record(first, Exit(0x40712000));
  Record(first, Exit(0x40713000));
  ASSERT_TRUE(
      GuestAnswers(first, kGuestBoot1, VerdictOn(*retired.entry, protocol::Outcome::kRetired)));
  const auto counts = ledger_->View().CountPages().value();
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].life, PageLife::kReported);
  EXPECT_EQ(counts[0].pages, 2u);
  EXPECT_EQ(counts[0].oldest, oldest + std::chrono::seconds(5));
  EXPECT_EQ(counts[1].life, PageLife::kRetired);
  EXPECT_EQ(counts[1].vm, kVm.uuid);
  VmStarts({4712, 99});
  EXPECT_TRUE(ledger_->View().CountPages()->empty());
}

}  // namespace
}  // namespace seaward::ledger
