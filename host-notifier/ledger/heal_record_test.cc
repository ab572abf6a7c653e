// Where a page is in the VMM, and what became of the order to replace it.
#include "host-notifier/ledger/ledger_fixture.h"
#include "host-notifier/ledger/schema.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {
namespace {

constexpr PageFrame kFrame{0x12345};
constexpr HostVirtAddr kAddress{0x7f0000000000};

using HealRecord = LedgerFixture;

TEST_F(HealRecord, NamesTheAddressAtWhichTheFrameWas) {
  const Uuid incarnation = VmStarts();
  PoisonEvent exit = Exit(0x40711000);
  exit.hva.value += 0x123;
  const auto located = Record(incarnation, exit, kFrame);
  EXPECT_EQ(Page(located.entry->id).host_address, kAddress);
  exit.hva.value += 0x10000;
  Record(incarnation, exit, kFrame);
  EXPECT_EQ(Page(located.entry->id).host_address, kAddress) << "where it was first";
  const auto report = Record(incarnation, Report(0x50000000, 4096, protocol::Evidence::kLatent));
  EXPECT_EQ(Page(report.entry->id).host_address, std::nullopt);
  Record(incarnation, Exit(0x50000000), kFrame);
  EXPECT_EQ(Page(report.entry->id).host_address, kAddress) << "an exit told";
}

TEST_F(HealRecord, AnOrderAndARefusalKeepThePage) {
  const Uuid incarnation = VmStarts();
  const auto id = Record(incarnation, Exit(0x40711000), kFrame).entry->id;
  EXPECT_EQ(Page(id).heal, HealState::kNo);
  EXPECT_EQ(ledger_->RecordHeal(id, HealState::kOrdered, "")->heal, HealState::kOrdered);
  const auto refused = ledger_->RecordHeal(id, HealState::kRefused, "vfio");
  ASSERT_TRUE(refused) << refused.error().Text();
  EXPECT_EQ(refused->life, PageLife::kReported);
  OpenLedger();
  EXPECT_EQ(Page(id).heal, HealState::kRefused);
  EXPECT_EQ(Page(id).heal_reason, "vfio");
}

TEST_F(HealRecord, AHealedPageIsClearedAndTheNextErrorThereIsAnotherPage) {
  const Uuid incarnation = VmStarts();
  const auto id = Record(incarnation, Exit(0x40711000), kFrame).entry->id;
  EXPECT_EQ(ledger_->RecordHeal(id, HealState::kHealed, "")->life, PageLife::kCleared);
  EXPECT_TRUE(ledger_->View().WantedPages(incarnation)->empty());
  const auto again = Record(incarnation, Exit(0x40711000), PageFrame{0x777});
  EXPECT_TRUE(again.is_new);
  EXPECT_NE(again.entry->id, id);
  EXPECT_EQ(Page(again.entry->id).heal, HealState::kNo);
  EXPECT_EQ(Page(again.entry->id).host_frame, PageFrame{0x777});
}

TEST_F(HealRecord, KnowsNoOtherPage) {
  EXPECT_EQ(ledger_->RecordHeal(99, HealState::kHealed, "").error().code, ErrorCode::kNotFound);
}

// A notifier that is updated while its VMs run.
TEST(HealMigration, TakesTheAddressFromThePagesFirstExit) {
  std::string folder = "/tmp/swhm.XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  auto database = Database::Open(folder + "/l.db");
  ASSERT_TRUE(Migrate(*database, Migrations().first(3)));
  ASSERT_TRUE(database->Execute(
      "INSERT INTO vm(uuid, name) VALUES('v', 'g1');"
      "INSERT INTO incarnation(id, vm, host_boot, pid, start_time, began_wall_ns)"
      " VALUES('i', 'v', 'b', 1, 1, 1);"
      "INSERT INTO page(id, incarnation, gpa, length, evidence, life, event_count, first_mono_ns,"
      " first_wall_ns, last_wall_ns, first_boots, host_frame, host_retired)"
      " VALUES(7, 'i', 4096, 4096, 'consumed', 'retired', 2, 1, 1, 1, 1, 74565, 'pending');"
      "INSERT INTO event(incarnation, page, source, location, access, severity, evidence, flags,"
      " esr, raw_gva, raw_gpa, hva, vcpu, count, mono_ns, wall_ns)"
      " SELECT 'i', 7, 'exit', 'located', 'data', 'recoverable', 'consumed', 1, 0, 0, 0, value,"
      " 0, 1, 1, 1 FROM (SELECT 0 AS value UNION ALL SELECT 139637976727843);"));
  ASSERT_TRUE(Migrate(*database, Migrations()));
  EXPECT_EQ(database->Ask("SELECT host_address FROM page").value(), "139637976727552");
  EXPECT_EQ(database->Ask("SELECT heal FROM page").value(), "no");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace seaward::ledger
