#include "tests/lab/story/exit_row.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace seaward::lab {
namespace {

class ExitRowTest : public ::testing::Test {
 protected:
  nlohmann::json Rows() const {
    std::ifstream file(path_);
    return nlohmann::json::parse(file);
  }
  seaward::testing::TempDir dir_;
  std::string path_ = dir_ / kExitRows;
};

TEST_F(ExitRowTest, ReplacesTheRowOfItsKindAndLeavesTheOthers) {
  ASSERT_TRUE(MergeExitRow(path_, {.kind = "data_read", .esr = 0x92000010, .outcome = "first"}));
  ASSERT_TRUE(MergeExitRow(path_, {.kind = "fnv", .esr = 0x92000410}));
  ASSERT_TRUE(MergeExitRow(path_, {.kind = "data_read", .esr = 0x92000010, .outcome = "second"}));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["kind"], "data_read");
  EXPECT_EQ(rows[0]["outcome"], "second");
  EXPECT_EQ(rows[1]["esr"], "0x92000410");
}

TEST_F(ExitRowTest, WritesNullForWhatWasNotSeen) {
  ASSERT_TRUE(MergeExitRow(path_, {.kind = "walk_level_3", .guest_esr = 0x96000010}));
  const auto row = Rows()[0];
  EXPECT_EQ(row["guest_esr"], "0x96000010");
  for (const char* key : {"guest_far", "verdict", "host_retired", "exposure_us"})
    EXPECT_TRUE(row.contains(key) && row[key].is_null()) << key;
}

TEST_F(ExitRowTest, LeavesAFileAloneThatIsNoListOfExits) {
  std::ofstream(path_) << "{\"kind\": 7}";
  EXPECT_EQ(MergeExitRow(path_, {.kind = "fnv"}).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(Rows()["kind"], 7);
}

}  // namespace
}  // namespace seaward::lab
