// The notifier's lines, read: what the real one writes (its own writers), and what nobody should.
#include "host-notifier/chaos/control_witness.h"

#include <gtest/gtest.h>

#include "host-notifier/observe/json_lines.h"
#include "host-notifier/observe/sample_snapshot_fixture.h"

namespace seaward::chaos {
namespace {

constexpr char kVm[] = "00000000-0000-0000-0000-00000000abcd";
constexpr char kOther[] = "00000000-0000-0000-0000-00000000ffff";

std::string Incarnation(const std::string& id, const std::string& vm, const std::string& ended) {
  return R"({"type":"incarnation","id":")" + id + R"(","vm":")" + vm + R"(","ended_unix_ns":)" +
         ended + "}";
}
std::string Page(const std::string& incarnation, const std::string& gpa, const std::string& life) {
  return R"({"type":"page","incarnation":")" + incarnation + R"(","gpa":")" + gpa +
         R"(","length_bytes":8192,"life":")" + life + R"(","outcome":null,"event_count":3})";
}

TEST(ReadStatus, TakesTheVmOutOfTheNotifiersOwnLine) {
  observe::StatusSnapshot status = observe::SampleStatus();
  status.vms.resize(1);
  const auto picture = ReadStatus(observe::StatusLine(status));
  ASSERT_TRUE(picture) << picture.error().Text();
  EXPECT_FALSE(picture->session.empty());
  EXPECT_FALSE(picture->boot_id.empty());
  ASSERT_FALSE(picture->pages.empty());
  EXPECT_EQ(picture->pages[0].range, observe::SamplePage().range);
  EXPECT_EQ(picture->pages[0].life, ToString(observe::SamplePage().life));
}

TEST(ReadStatus, OfNoVmOrOfARefusalIsAnError) {
  EXPECT_EQ(ReadStatus(R"({"vms":[]})").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ReadStatus(observe::ErrorLine({ErrorCode::kNotFound, 0, "no VM"})).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(ReadStatus(observe::ErrorLine({ErrorCode::kBusy, 0, "drained"})).error().code,
            ErrorCode::kBusy);
  EXPECT_EQ(ReadStatus("").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(ReadStatus(R"({"vms":[{"session":1,"events":[]}]})").error().code, ErrorCode::kCorrupt);
}

TEST(LedgerReader, KeepsTheRowsOfItsVmAndKnowsWhichMemoryIsGone) {
  LedgerReader reader(kVm);
  for (const std::string& line :
       {std::string(R"({"type":"seaward_ledger","format":1,"version":"x"})"),
        Incarnation("a", kVm, "null"), Incarnation("b", kVm, "12"),
        Incarnation("c", kOther, "null"), Page("a", "0x1000", "retired"),
        Page("b", "0x5000", "closed"), Page("c", "0x9000", "retired")})
    ASSERT_TRUE(reader.Take(line)) << line;
  EXPECT_FALSE(reader.whole());
  ASSERT_TRUE(reader.Take(R"({"type":"end","lines":8})"));
  EXPECT_TRUE(reader.whole());
  const auto rows = reader.TakeRows();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].range, *ByteRange::Make({0x1000}, 8192));
  EXPECT_TRUE(rows[0].of_this_memory);
  EXPECT_EQ(rows[0].events, 3U);
  EXPECT_EQ(rows[1].life, "closed");
  EXPECT_FALSE(rows[1].of_this_memory);
}

TEST(LedgerReader, RefusesWhatIsNoExport) {
  for (const std::string line : {"", "[]", R"({"type":"page","incarnation":7})"}) {
    LedgerReader reader(kVm);
    EXPECT_FALSE(reader.Take(line)) << line;
  }
  LedgerReader reader(kVm);
  ASSERT_TRUE(reader.Take(Incarnation("a", kVm, "null")));
  EXPECT_FALSE(reader.Take(Page("a", "1000", "retired"))) << "no address";
}

}  // namespace
}  // namespace seaward::chaos
