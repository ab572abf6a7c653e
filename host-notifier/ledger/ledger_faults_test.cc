#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>

#include "base/file_io.h"
#include "host-notifier/classify/classify.h"
#include "host-notifier/ledger/full_disk_fixture.h"
#include "host-notifier/ledger/ledger_fixture.h"
#include "host-notifier/ledger/schema.h"

namespace seaward::ledger {
namespace {

using protocol::Outcome;
using testing::HasSubstr;
using testing::SizeIs;

class LedgerFaults : public LedgerFixture {
 protected:
  void Damage(std::size_t offset, std::string_view bytes) {
    std::fstream file(Path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  std::uint64_t Size(const std::string& path) { return std::filesystem::file_size(path); }
};

TEST_F(LedgerFaults, AFullDiskLosesNothingAndIsLeftBehind) {
  const Uuid life = VmStarts();
  const auto before = Record(life, Exit(0x1000)).entry.value();
  ASSERT_TRUE(ledger_->BeginBoot(life, kGuestBoot1).value());
  {
    const FullDisk full(Size(Path() + "-wal"));
    const auto refused = ledger_->RecordEvent(life, Exit(0x2000), std::nullopt);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace) << refused.error().Text();
    const auto verdict = ledger_->RecordVerdict(life, kGuestBoot1,
                                                VerdictOn(before, Outcome::kRetired), clock_.Now());
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, ErrorCode::kNoSpace) << verdict.error().Text();
    EXPECT_THAT(ledger_->View().Pages({}).value(), SizeIs(1)) << "reading goes on";
  }
  EXPECT_TRUE(Record(life, Exit(0x2000)).is_new);
  EXPECT_EQ(GuestAnswers(life, kGuestBoot1, VerdictOn(before, Outcome::kRetired))->life,
            PageLife::kRetired);
  OpenLedger();
  EXPECT_EQ(set_aside_, std::nullopt);
  EXPECT_THAT(ledger_->View().Pages({}).value(), SizeIs(2));
}

TEST_F(LedgerFaults, WhatWasAcknowledgedSurvivesAKill) {
  ledger_.reset();
  int acknowledged[2];
  ASSERT_EQ(::pipe(acknowledged), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(acknowledged[0]);
    OpenLedger();
    const Uuid life = VmStarts();
    for (std::uint64_t i = 0;; ++i) {
      const std::uint64_t id = Record(life, Exit(i << 12)).entry->id;
      if (::write(acknowledged[1], &id, sizeof(id)) != sizeof(id)) ::_exit(1);
    }
  }
  ::close(acknowledged[1]);
  std::vector<std::uint64_t> ids(200);
  for (std::uint64_t& id : ids) ASSERT_EQ(::read(acknowledged[0], &id, sizeof(id)), 8);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  for (std::uint64_t id = 0; ::read(acknowledged[0], &id, sizeof(id)) == 8;) ids.push_back(id);
  ::close(acknowledged[0]);
  OpenLedger();
  EXPECT_EQ(set_aside_, std::nullopt);
  for (const std::uint64_t id : ids) EXPECT_EQ(Page(id).life, PageLife::kReported);
}

TEST_F(LedgerFaults, ACorruptLedgerIsSetAsideWithItsReason) {
  Record(VmStarts(), Exit(0x1000));
  ledger_.reset();
  const std::uint64_t size = Size(Path());
  ASSERT_GT(size, 8192u);
  for (std::uint64_t page = 4096; page < size; page += 4096) Damage(page, "\x07garbage");
  OpenLedger();
  ASSERT_TRUE(set_aside_);
  EXPECT_THAT(*set_aside_, HasSubstr(Path() + ".corrupt-"));
  EXPECT_FALSE(why_.empty());
  EXPECT_EQ(Size(*set_aside_), size) << "kept for whoever wants to look";
  EXPECT_TRUE(ledger_->View().Vms()->empty());
  EXPECT_TRUE(Record(VmStarts(), Exit(0x1000)).is_new) << "and life goes on";
}

TEST_F(LedgerFaults, AFileThatIsNoDatabaseIsSetAside) {
  ledger_.reset();
  const std::string text(9000, 'x');
  ASSERT_TRUE(ReplaceFile(Path(), std::as_bytes(std::span(text))));
  OpenLedger();
  ASSERT_TRUE(set_aside_);
  OpenLedger();
  EXPECT_EQ(set_aside_, std::nullopt);
}

TEST_F(LedgerFaults, ASecondNotifierIsRefused) {
  const auto second = Ledger::Open(Path(), kHostBoot, clock_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
}

TEST_F(LedgerFaults, OnlyItsOwnerMayReadIt) {
  for (const char* part : {"", "-wal"})
    EXPECT_EQ(std::filesystem::status(Path() + part).permissions(), std::filesystem::perms(0600));
}

TEST_F(LedgerFaults, ANewerOrForeignDatabaseIsLeftAlone) {
  ledger_.reset();
  {
    auto database = Database::Open(Path());
    ASSERT_TRUE(database->Execute("PRAGMA user_version = 99"));
  }
  EXPECT_EQ(Ledger::Open(Path(), kHostBoot, clock_).error().code, ErrorCode::kUnsupported);
  const std::string foreign = folder_ + "/foreign.db";
  {
    auto database = Database::Open(foreign);
    ASSERT_TRUE(database->Execute("CREATE TABLE cookies(x)"));
  }
  const auto refused = Ledger::Open(foreign, kHostBoot, clock_);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(std::filesystem::exists(foreign));
}

TEST(Schema, MigrationsRunOnceInOrderAndHalfOnesNotAtAll) {
  std::string folder = "/tmp/swm.XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  auto database = Database::Open(folder + "/m.db");
  const Migration good[] = {"CREATE TABLE a(x)", "INSERT INTO a VALUES(1)"};
  const Migration bad[] = {good[0], good[1],
                           "INSERT INTO a VALUES(2); INSERT INTO nowhere VALUES(1)"};
  ASSERT_TRUE(Migrate(*database, std::span(good).first(1)));
  EXPECT_EQ(database->Ask("PRAGMA user_version").value(), "1");
  ASSERT_TRUE(Migrate(*database, good));
  ASSERT_TRUE(Migrate(*database, good));
  EXPECT_EQ(database->Ask("SELECT count(*) FROM a").value(), "1");
  EXPECT_FALSE(Migrate(*database, bad));
  EXPECT_EQ(database->Ask("SELECT count(*) FROM a").value(), "1");
  EXPECT_EQ(database->Ask("PRAGMA user_version").value(), "2");
  EXPECT_EQ(Migrate(*database, std::span(good).first(1)).error().code, ErrorCode::kUnsupported);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace seaward::ledger
