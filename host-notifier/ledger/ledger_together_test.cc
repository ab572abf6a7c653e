// Several writes, one commit.
#include "host-notifier/ledger/full_disk_fixture.h"
#include "host-notifier/ledger/ledger_fixture.h"

namespace seaward::ledger {
namespace {

class LedgerTogether : public LedgerFixture {
 protected:
  LedgerTogether() : incarnation_(VmStarts()) {}
  Status RecordExit(std::uint64_t gpa) {
    auto recorded = ledger_->RecordEvent(incarnation_, Exit(gpa), std::nullopt);
    if (!recorded) return Forward(recorded);
    return {};
  }
  std::size_t Pages() { return ledger_->View().Pages({}).value().size(); }

  const Uuid incarnation_;
};

TEST_F(LedgerTogether, AllOfItIsThereAfterwards) {
  const auto done = ledger_->Together([this]() -> Status {
    EXPECT_TRUE(RecordExit(0x1000));
    EXPECT_TRUE(RecordExit(0x3000));
    return {};
  });
  EXPECT_TRUE(done);
  OpenLedger();
  EXPECT_EQ(Pages(), 2u);
}

TEST_F(LedgerTogether, AWriteThatFailsLeavesTheOthers) {
  const auto done = ledger_->Together([this]() -> Status {
    EXPECT_TRUE(RecordExit(0x1000));
    EXPECT_FALSE(ledger_->RecordHostRetirement(4711, HostRetired::kPending, 0)) << "no such page";
    EXPECT_TRUE(RecordExit(0x3000));
    return {};
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(Pages(), 2u);
}

TEST_F(LedgerTogether, AnErrorOfItsOwnTakesAllOfItBack) {
  const auto done = ledger_->Together([this]() -> Status {
    EXPECT_TRUE(RecordExit(0x1000));
    return Fail(ErrorCode::kNoSpace, "enough");
  });
  EXPECT_FALSE(done);
  EXPECT_EQ(Pages(), 0u);
  EXPECT_TRUE(RecordExit(0x3000)) << "alone again";
}

TEST_F(LedgerTogether, AFullDiskTakesAllOfItBackAndKeepsNoPart) {
  ASSERT_TRUE(RecordExit(0x1000));
  std::size_t recorded = 0;
  {
    const FullDisk full(std::filesystem::file_size(Path() + "-wal"));
    const auto done = ledger_->Together([&]() -> Status {
      // More than SQLite keeps in memory before it has to write.
      for (std::uint64_t page = 1; page < 20'000; ++page) {
        if (auto one = RecordExit(page * 0x2000); !one) return one;
        ++recorded;
      }
      return {};
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kNoSpace) << done.error().Text();
  }
  EXPECT_GT(recorded, 0u);
  EXPECT_EQ(Pages(), 1u);
  EXPECT_TRUE(RecordExit(0x3000));
}

}  // namespace
}  // namespace seaward::ledger
