// Rows from one ledger to another, and back.
#include <gmock/gmock.h>

#include <set>

#include "host-notifier/ledger/ledger_cases_fixture.h"
#include "host-notifier/ledger/ledger_fixture.h"
#include "host-notifier/ledger/schema.h"

namespace seaward::ledger {
namespace {

using protocol::Outcome;
using testing::HasSubstr;
using testing::SizeIs;

class LedgerTransfer : public LedgerFixture {
 protected:
  std::vector<LedgerRecord> Export() {
    auto reading = ledger_->BeginExport();
    EXPECT_TRUE(reading) << reading.error().Text();
    std::vector<LedgerRecord> all;
    for (;;) {
      auto some = (*reading)->Next(2);
      EXPECT_TRUE(some) << some.error().Text();
      if (!some || some->empty()) return all;
      EXPECT_LE(some->size(), 2u);
      for (LedgerRecord& record : *some) all.push_back(std::move(record));
    }
  }
  std::vector<ImportedRecord> Import(const std::vector<LedgerRecord>& records) {
    auto taken = ledger_->Import(session_, records);
    EXPECT_TRUE(taken) << taken.error().Text();
    return taken.value_or(std::vector<ImportedRecord>());
  }
  static std::size_t Count(const std::vector<ImportedRecord>& all, ImportOutcome outcome) {
    return static_cast<std::size_t>(std::ranges::count(all, outcome, &ImportedRecord::outcome));
  }
  // One VM with something of every kind.
  Uuid FillLedger() {
    const Uuid life = VmStarts();
    const auto entry = Record(life, Exit(0x1000), PageFrame{0x4711}).entry.value();
    EXPECT_TRUE(GuestAnswers(life, kGuestBoot1, VerdictOn(entry, Outcome::kRetired)));
    const protocol::Loss loss{entry.id, entry.range, 4096, 77, "db", "/db.service"};
    EXPECT_TRUE(ledger_->RecordLosses(life, kGuestBoot1, {{loss}}));
    EXPECT_TRUE(
        ledger_->RecordBeforeKernel(life, kGuestBoot1, {protocol::ListResult::kApplied, 1, 5, 4}));
    PoisonEvent placeless = Exit(0x1000);
    placeless.range.reset();
    placeless.location = Location::kUnlocated;
    Record(life, placeless);
    AuditRow row;
    row.when = clock_.WallNow();
    row.reason = "maintenance";
    EXPECT_TRUE(ledger_->RecordAudit(row));
    return life;
  }
  void BeginAnew(const Uuid& host_boot = kHostBoot) {
    ledger_.reset();
    for (const char* part : {"", "-wal", "-shm"}) std::filesystem::remove(Path() + part);
    OpenLedger(host_boot);
    session_ = {};
  }

  ImportSession session_;
};

TEST_F(LedgerTransfer, KnowsEveryColumnOfTheSchema) {
  // What another ledger makes up for itself.
  const std::set<std::string> own = {"vm.event_rows"};
  ledger_.reset();
  auto database = Database::Open(Path());
  for (const RecordKind kind : kAllRecordKinds) {
    const std::string table(ToString(kind));
    std::set<std::string> columns;
    for (const Field& field : FieldsOf(kind)) columns.emplace(field.column);
    std::size_t known = columns.size();
    for (const std::string& name : own) known += name.starts_with(table + ".") ? 1 : 0;
    EXPECT_EQ(database->Ask("SELECT count(*) FROM pragma_table_info('" + table + "')").value(),
              std::to_string(known))
        << table;
    for (const std::string& column : columns)
      EXPECT_EQ(database
                    ->Ask("SELECT count(*) FROM pragma_table_info('" + table + "') WHERE name = '" +
                          column + "'")
                    .value(),
                "1")
          << table << "." << column;
  }
}

TEST_F(LedgerTransfer, BringsALostLedgerBack) {
  const Uuid life = FillLedger();
  const auto records = Export();
  ASSERT_THAT(records, SizeIs(8)) << "vm, incarnation, page, verdict, two events, loss, audit";
  BeginAnew();
  EXPECT_EQ(Count(Import(records), ImportOutcome::kAdded), 8u);
  const auto pages = ledger_->View().Pages({.vm = {}, .with_closed = true}).value();
  ASSERT_THAT(pages, SizeIs(1));
  EXPECT_EQ(pages[0].incarnation, life);
  EXPECT_EQ(pages[0].life, PageLife::kToReplay) << "its guest goes on and is asked anew";
  EXPECT_EQ(pages[0].host_frame, PageFrame{0x4711});
  EXPECT_EQ(pages[0].host_retired, HostRetired::kPending);
  EXPECT_EQ(pages[0].outcome, Outcome::kRetired);
  EXPECT_EQ(pages[0].protected_by, Protection::kRun) << "in the boot of then";
  EXPECT_THAT(ledger_->View().Events({}).value(), SizeIs(2));
  const auto losses = ledger_->View().Losses(kVm.uuid, 10).value();
  ASSERT_THAT(losses, SizeIs(1));
  EXPECT_EQ(losses[0].page, pages[0].id);
  EXPECT_EQ(losses[0].comm, "db");
  EXPECT_EQ(ledger_->View().Incarnation(life).value()->boot_list->protected_pages, 4u);
  EXPECT_EQ(VmStarts(), life);
  EXPECT_EQ(Record(life, Exit(0x1000)).entry->id, pages[0].id);
}

TEST_F(LedgerTransfer, TakesNothingTwice) {
  FillLedger();
  const auto records = Export();
  EXPECT_EQ(Count(Import(records), ImportOutcome::kKnown), 8u);
  EXPECT_EQ(Export().size(), 8u);
  BeginAnew();
  Import(records);
  session_ = {};
  EXPECT_EQ(Count(Import(records), ImportOutcome::kKnown), 8u);
}

TEST_F(LedgerTransfer, OfAnotherHostComesInAsMemoryThatIsGone) {
  const Uuid life = FillLedger();
  const auto records = Export();
  BeginAnew(kGuestBoot2);
  EXPECT_EQ(Count(Import(records), ImportOutcome::kAdded), 8u);
  EXPECT_TRUE(ledger_->View().OpenIncarnations()->empty());
  const auto pages = ledger_->View().Pages({.vm = {}, .with_closed = true}).value();
  EXPECT_EQ(pages[0].life, PageLife::kClosed);
  EXPECT_EQ(pages[0].host_retired, HostRetired::kNo) << "the frame's number means nothing here";
  EXPECT_NE(VmStarts(), life);
}

TEST_F(LedgerTransfer, JoinsWhatTheNewLedgerLearnedMeanwhile) {
  FillLedger();
  const auto records = Export();
  clock_.Advance(std::chrono::seconds(5));
  BeginAnew();
  const Uuid life = VmStarts();
  const auto page = Record(life, Report(0x1000, 4096, protocol::Evidence::kConsumed)).entry->id;
  const auto outcomes = Import(records);
  EXPECT_EQ(outcomes[2].outcome, ImportOutcome::kKnown);
  EXPECT_EQ(Count(outcomes, ImportOutcome::kRefused), 0u);
  EXPECT_EQ(Page(page).host_frame, PageFrame{0x4711}) << "only the old ledger knew it";
  EXPECT_THAT(ledger_->View().Pages({}).value(), SizeIs(1));
}

TEST_F(LedgerTransfer, ABadRecordHoldsUpNoOther) {
  auto records = RecordsOfAnotherLedger();
  records.insert(records.begin() + 2, records[2]);
  records[2].values[2] = std::int64_t{0x9123};  // no granule
  records.push_back(records[3]);
  records.back().values[1] = std::string("22222222-0000-4000-8000-000000000002");
  records.push_back(records[3]);
  records.back().values[4] = std::string("certain");
  const auto outcomes = Import(records);
  ASSERT_THAT(outcomes, SizeIs(6));
  EXPECT_EQ(Count(outcomes, ImportOutcome::kAdded), 3u);
  EXPECT_THAT(outcomes[2].why, HasSubstr("whole granules"));
  EXPECT_THAT(outcomes[4].why, HasSubstr("no line before it tells of incarnation 22222222-"));
  EXPECT_THAT(outcomes[5].why, HasSubstr("'evidence' must be one of consumed, latent, predicted"));
}

TEST_F(LedgerTransfer, ReadsWhatWasThereWhenItBegan) {
  const Uuid life = FillLedger();
  auto reading = ledger_->BeginExport();
  ASSERT_TRUE(reading);
  Record(life, Exit(0x9000));
  std::size_t pages = 0;
  for (;;) {
    const auto some = (*reading)->Next(3);
    ASSERT_TRUE(some);
    if (some->empty()) break;
    for (const LedgerRecord& record : *some) pages += record.kind == RecordKind::kPage ? 1 : 0;
  }
  EXPECT_EQ(pages, 1u);
  EXPECT_THAT(ledger_->View().Pages({}).value(), SizeIs(2));
}

}  // namespace
}  // namespace seaward::ledger
