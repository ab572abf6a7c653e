// By whom pages are protected, which processes lost some, what became of the list before the
// kernel: by the word of guests.
#include <gmock/gmock.h>

#include <fstream>

#include "host-notifier/ledger/ledger_fixture.h"
#include "host-notifier/ledger/schema.h"
#include "host-notifier/ledger/sqlite.h"

namespace seaward::ledger {
namespace {

using protocol::BeforeKernel;
using protocol::ListResult;
using protocol::Losses;
using protocol::Outcome;
using protocol::PageKind;
using protocol::Stage;
using ::testing::SizeIs;

constexpr std::uint64_t kFirst = 0x40711000;

class LedgerNews : public LedgerFixture {
 protected:
  protocol::PoisonEntry Bad(const Uuid& life, std::uint64_t number) {
    return Record(life, Exit(kFirst + number * kPoisonGranule)).entry.value();
  }
  void Answer(const Uuid& life, const protocol::PoisonEntry& entry, Outcome outcome, Stage stage,
              const Uuid& boot = kGuestBoot1) {
    protocol::VerdictRecord record = VerdictOn(entry, outcome);
    record.stage = stage;
    if (outcome == Outcome::kInKernel) record.kind = PageKind::kKernel;
    ASSERT_TRUE(GuestAnswers(life, boot, record));
  }
  std::map<Protection, std::uint64_t> Shares(const std::optional<Uuid>& vm = kVm.uuid) {
    std::map<Protection, std::uint64_t> shares;
    const auto counts = ledger_->View().CountPages(vm).value();
    for (const PageCount& count : counts) shares[count.protection] += count.pages;
    return shares;
  }
  protocol::Loss Loss(const protocol::PoisonEntry& entry, std::uint32_t pid) {
    return {entry.id, entry.range, 2 << 20, pid, "postgres", "/system.slice/db.service"};
  }
  std::vector<LossRow> AllLosses(std::uint32_t limit = 10000) {
    return ledger_->View().Losses(kVm.uuid, limit).value();
  }
  std::optional<BeforeKernel> BootList(const Uuid& life) {
    return ledger_->View().Incarnation(life).value()->boot_list;
  }
};

TEST_F(LedgerNews, EachPageCountsForWhoProtectsItInThisBoot) {
  const Uuid life = VmStarts();
  Answer(life, Bad(life, 0), Outcome::kExcludedBeforeBoot, Stage::kRun);
  Answer(life, Bad(life, 1), Outcome::kRetired, Stage::kEarly);
  Answer(life, Bad(life, 2), Outcome::kAlreadyRetired, Stage::kRun);
  Answer(life, Bad(life, 3), Outcome::kRetired, Stage::kRun);
  Answer(life, Bad(life, 4), Outcome::kInKernel, Stage::kRun);
  Answer(life, Bad(life, 5), Outcome::kDeferred, Stage::kRun);
  Bad(life, 6);
  const std::map<Protection, std::uint64_t> expected{{Protection::kBeforeKernel, 1},
                                                     {Protection::kEarly, 1},
                                                     {Protection::kRun, 2},
                                                     {Protection::kNever, 1},
                                                     {Protection::kPending, 2}};
  EXPECT_EQ(Shares(), expected);
  EXPECT_EQ(Shares(std::nullopt), expected);
  EXPECT_EQ(Shares(kGuestBoot1), (std::map<Protection, std::uint64_t>{})) << "of another VM";
  const auto counts = ledger_->View().CountPages().value();
  for (const PageCount& count : counts)
    if (count.protection == Protection::kNever) {
      EXPECT_EQ(count.outcome, Outcome::kInKernel);
      EXPECT_EQ(count.kind, PageKind::kKernel);
    }
}

TEST_F(LedgerNews, ANewBootLeavesAllToItsOwnProtectorsAndRemembersTheLast) {
  const Uuid life = VmStarts();
  const auto page = Bad(life, 0);
  Answer(life, page, Outcome::kRetired, Stage::kRun);
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot2));
  EXPECT_EQ(Shares(), (std::map<Protection, std::uint64_t>{{Protection::kPending, 1}}));
  EXPECT_EQ(Page(page.id).protected_by, Protection::kRun);
  Answer(life, page, Outcome::kInKernel, Stage::kEarly, kGuestBoot2);
  EXPECT_EQ(Shares(), (std::map<Protection, std::uint64_t>{{Protection::kNever, 1}}));
  EXPECT_EQ(Page(page.id).protected_by, Protection::kRun) << "in the boot of before";
  Answer(life, page, Outcome::kExcludedBeforeBoot, Stage::kRun, kGuestBoot1);
  OpenLedger();
  EXPECT_EQ(Page(page.id).protected_by, Protection::kBeforeKernel);
  EXPECT_EQ(Shares(), (std::map<Protection, std::uint64_t>{{Protection::kBeforeKernel, 1}}));
  ASSERT_TRUE(ledger_->EndIncarnation(life));
  EXPECT_TRUE(Shares().empty()) << "the memory is gone";
}

TEST_F(LedgerNews, ALossSaysWhichProcessLostWhichPage) {
  const Uuid life = VmStarts();
  const auto page = Bad(life, 0);
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1));
  EXPECT_EQ(ledger_->RecordLosses(life, kGuestBoot1, {{Loss(page, 77), Loss(page, 78)}}), 2u);
  OpenLedger();
  const auto losses = AllLosses();
  ASSERT_THAT(losses, SizeIs(2));
  EXPECT_EQ(losses[0].vm.name, "g1");
  EXPECT_EQ(losses[0].incarnation, life);
  EXPECT_EQ(losses[0].page, page.id);
  EXPECT_EQ(losses[0].boot, kGuestBoot1);
  EXPECT_EQ(losses[0].range, page.range);
  EXPECT_EQ(losses[0].lost_bytes, 2u << 20);
  EXPECT_EQ(losses[0].pid, 77u);
  EXPECT_EQ(losses[0].comm, "postgres");
  EXPECT_EQ(losses[0].cgroup, "/system.slice/db.service");
  EXPECT_EQ(losses[0].when, clock_.WallNow());
  ASSERT_THAT(AllLosses(1), SizeIs(1));
  EXPECT_EQ(AllLosses(1)[0].pid, 78u) << "the newest";
}

TEST_F(LedgerNews, LossesOfForeignPagesAndOtherBootsAreNone) {
  const Uuid before = VmStarts();
  const auto old = Bad(before, 0);
  const Uuid life = VmStarts({4712, 99});
  const auto page = Bad(life, 1);
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1));
  auto unknown = Loss(page, 1);
  unknown.id = 4711;
  EXPECT_EQ(ledger_->RecordLosses(life, kGuestBoot1, {{Loss(old, 1), unknown, Loss(page, 2)}}), 1u);
  EXPECT_EQ(ledger_->RecordLosses(life, kGuestBoot2, {{Loss(page, 3)}}).error().code,
            ErrorCode::kInvalid);
  ASSERT_THAT(AllLosses(), SizeIs(1));
  EXPECT_EQ(AllLosses()[0].pid, 2u);
}

TEST_F(LedgerNews, OfAVmsLossesTheOldestMakeRoom) {
  OpenLedger(kHostBoot, {.loss_rows_per_vm = 3});
  std::uint32_t pid = 0;
  for (const ProcessIdentity& vmm : {ProcessIdentity{1, 1}, ProcessIdentity{2, 2}}) {
    const Uuid life = VmStarts(vmm);
    const auto page = Bad(life, 0);
    ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1));
    for (int i = 0; i < 2; ++i) {
      ++pid;
      ASSERT_TRUE(ledger_->RecordLosses(life, kGuestBoot1, {{Loss(page, pid)}}));
    }
  }
  const auto losses = AllLosses();
  ASSERT_THAT(losses, SizeIs(3));
  EXPECT_EQ(losses.front().pid, 2u) << "of the memory before";
  EXPECT_EQ(losses.back().pid, 4u);
}

TEST_F(LedgerNews, LossesGoWithTheirTimeOrTheirPage) {
  const Uuid life = VmStarts();
  const auto page = Bad(life, 0);
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1));
  ASSERT_TRUE(ledger_->RecordLosses(life, kGuestBoot1, {{Loss(page, 1)}}));
  clock_.Advance(std::chrono::hours(2));
  ASSERT_TRUE(ledger_->RecordLosses(life, kGuestBoot1, {{Loss(page, 2)}}));
  const auto retain = [&](std::chrono::hours events, std::chrono::hours closed) {
    const WallTime now = clock_.WallNow();
    const RetentionPolicy policy{
        .closed_before = now - closed, .events_before = now - events, .audit_before = now - closed};
    while (ledger_->Retain(policy).value() > 0) {
    }
  };
  retain(std::chrono::hours(1), std::chrono::hours(1));
  ASSERT_THAT(AllLosses(), SizeIs(1));
  EXPECT_EQ(AllLosses()[0].pid, 2u);
  ASSERT_TRUE(ledger_->EndIncarnation(life));
  clock_.Advance(std::chrono::hours(2));
  retain(std::chrono::hours(100), std::chrono::hours(1));
  EXPECT_THAT(AllLosses(), SizeIs(0));
}

TEST_F(LedgerNews, TheListBeforeTheKernelIsOfOneBoot) {
  const Uuid life = VmStarts();
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1));
  EXPECT_FALSE(BootList(life));
  ASSERT_TRUE(ledger_->RecordBeforeKernel(life, kGuestBoot1, {ListResult::kFailedTwice, 2, 9, 0}));
  OpenLedger();
  ASSERT_TRUE(BootList(life));
  EXPECT_EQ(BootList(life)->result, ListResult::kFailedTwice);
  EXPECT_EQ(BootList(life)->boots, 2u);
  EXPECT_EQ(BootList(life)->listed_pages, 9u);
  EXPECT_EQ(BootList(life)->protected_pages, 0u);
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1));
  EXPECT_TRUE(BootList(life)) << "the daemon of the same boot";
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot2));
  EXPECT_FALSE(BootList(life));
  EXPECT_EQ(ledger_->RecordBeforeKernel(life, kGuestBoot1, {}).error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(BootList(life));
}

// What a guest repeats is known again; what it says once is lost with the ledger.
TEST_F(LedgerNews, ARebuiltLedgerLearnsAgainWhoProtectsAPage) {
  Uuid life = VmStarts();
  Answer(life, Bad(life, 0), Outcome::kRetired, Stage::kEarly);
  ledger_.reset();
  { std::ofstream(Path(), std::ios::trunc) << std::string(9000, 'x'); }
  OpenLedger();
  ASSERT_TRUE(set_aside_);
  life = VmStarts();
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1));
  const auto claims = ledger_->RecordClaims(
      life, kGuestBoot1,
      {{{ByteRange::Granule(GuestPhysAddr{kFirst}), protocol::Evidence::kConsumed, true}}, true});
  ASSERT_TRUE(claims) << claims.error().Text();
  ASSERT_THAT(claims->pages, SizeIs(1));
  EXPECT_EQ(Shares(), (std::map<Protection, std::uint64_t>{{Protection::kPending, 1}}));
  Answer(life, claims->pages[0].Entry(), Outcome::kRetired, Stage::kEarly);
  EXPECT_EQ(Shares(), (std::map<Protection, std::uint64_t>{{Protection::kEarly, 1}}));
  ASSERT_TRUE(ledger_->RecordLosses(life, kGuestBoot1, {{Loss(claims->pages[0].Entry(), 5)}}));
  EXPECT_THAT(AllLosses(), SizeIs(1));
}

// A notifier that is updated while its VMs run.
TEST(NewsMigration, TheNewestVerdictSaysWhoProtectedAPage) {
  std::string folder = "/tmp/swnm.XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    auto database = Database::Open(folder + "/l.db");
    ASSERT_TRUE(Migrate(*database, Migrations().first(7)));
    ASSERT_TRUE(database->Execute(
        "INSERT INTO vm(uuid, name) VALUES('v', 'g1');"
        "INSERT INTO incarnation(id, vm, host_boot, pid, start_time, began_wall_ns, boot, boots)"
        " VALUES('i', 'v', 'b', 1, 1, 1, 'a', 1)"));
    const std::pair<const char*, const char*> pages[] = {
        {"'excluded_before_boot'", "'run'"}, {"'retired'", "'early'"},
        {"'already_retired'", "'run'"},      {"'in_kernel'", "'run'"},
        {"'deferred'", "'early'"},           {"NULL", "NULL"}};
    for (const auto& [outcome, stage] : pages)
      ASSERT_TRUE(database->Execute(
          std::string("INSERT INTO page(incarnation, gpa, length, evidence, life, event_count, "
                      "first_mono_ns, first_wall_ns, last_wall_ns, first_boots, host_retired, "
                      "outcome, stage) VALUES('i', 4096, 4096, 'consumed', 'to_replay', 1, 1, 1, "
                      "1, 1, 'no', ") +
          outcome + ", " + stage + ")"));
    ASSERT_TRUE(Migrate(*database, Migrations()));
    EXPECT_EQ(database
                  ->Ask("SELECT group_concat(coalesce(protected_by, '-'), ' ') FROM "
                        "(SELECT protected_by FROM page ORDER BY id)")
                  .value(),
              "before_kernel early run - - -");
    EXPECT_EQ(database->Ask("SELECT count(*) FROM incarnation WHERE list_result IS NULL").value(),
              "1");
    EXPECT_EQ(database->Ask("SELECT count(*) FROM loss").value(), "0");
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace seaward::ledger
