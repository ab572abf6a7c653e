// Every write of the ledger on a disk that is full, and afterwards on one that is not.
#include "host-notifier/ledger/full_disk_fixture.h"
#include "host-notifier/ledger/ledger_cases_fixture.h"

namespace seaward::ledger {
namespace {

using FullDiskForEveryWrite = LedgerCases;

TEST_F(FullDiskForEveryWrite, RefusesItWholeAndTakesItWhenThereIsRoom) {
  for (const LedgerCase& play : WriteCases()) {
    SetScene("before", play);
    ASSERT_FALSE(HasFatalFailure()) << play.name;
    const std::string before = RowsOf("before");
    CopyScene("before", "after");
    ASSERT_TRUE(Play("after", play, nullptr)) << play.name;
    {
      // A WAL that somebody else keeps: the next commit, also that of opening, must make it longer.
      auto keeper = Database::Open(Path("before"));
      ASSERT_TRUE(keeper->Execute("PRAGMA wal_autocheckpoint = 0; UPDATE vm SET name = name"));
      const FullDisk full(std::filesystem::file_size(Path("before") + "-wal"));
      const auto refused = Play("before", play, nullptr);
      ASSERT_FALSE(refused) << play.name;
      EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace)
          << play.name << ": " << refused.error().Text();
    }
    EXPECT_EQ(RowsOf("before"), before) << play.name;
    const auto taken = Play("before", play, nullptr);
    EXPECT_TRUE(taken) << play.name << ": " << taken.error().Text();
    EXPECT_EQ(RowsOf("before"), RowsOf("after")) << play.name;
  }
}

}  // namespace
}  // namespace seaward::ledger
