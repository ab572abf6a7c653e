// A ledger's rows as lines: written, read back, and written wrong.
#include "host-notifier/observe/record_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host-notifier/observe/record_intake.h"

namespace seaward::observe {
namespace {

using ledger::LedgerRecord;
using ledger::RecordKind;
using testing::HasSubstr;
using testing::SizeIs;

constexpr char kUuid[] = "c7a5fdbd-edaf-9455-926a-d65c16db1809";
constexpr char kVmLine[] =
    R"({"type":"vm","uuid":"c7a5fdbd-edaf-9455-926a-d65c16db1809","name":"g1","events_pruned":0})";

LedgerRecord Audit() {
  using Value = ledger::FieldValue;
  return {
      RecordKind::kAudit,
      {std::int64_t{3}, std::int64_t{1700000000000000001}, Value("clear"), std::int64_t{0},
       std::int64_t{77}, Value("ann"), Value(kUuid), static_cast<std::int64_t>(0xfffffffffffff000),
       std::int64_t{4096}, std::int64_t{1}, Value("a\nb \"quoted\"")}};
}

std::string Refusal(const std::string& line) {
  const auto record = ParseRecordLine(line);
  if (!record) return record.error().context;
  const auto good = CheckRecord(*record);
  return good ? "accepted" : good.error().context;
}

std::string With(std::string line, const std::string& from, const std::string& to) {
  return line.replace(line.find(from), from.size(), to);
}

TEST(RecordLines, ReadBackAsTheyWere) {
  const std::string line = RecordLine(Audit());
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_THAT(line, HasSubstr(R"("gpa":"0xfffffffffffff000")"));
  const auto read = ParseRecordLine(line);
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_EQ(read->kind, RecordKind::kAudit);
  EXPECT_EQ(read->values, Audit().values);
  EXPECT_TRUE(CheckRecord(*read));
  LedgerRecord unsaid = Audit();
  unsaid.values[6] = unsaid.values[7] = unsaid.values[8] = {};
  EXPECT_EQ(ParseRecordLine(RecordLine(unsaid))->values, unsaid.values);
}

TEST(RecordLines, NameWhatIsWrong) {
  EXPECT_EQ(Refusal(kVmLine), "accepted");
  EXPECT_THAT(Refusal(""), HasSubstr("not a JSON object"));
  EXPECT_THAT(Refusal("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(Refusal(R"({"uuid":1})"), HasSubstr("'type' must be text"));
  EXPECT_THAT(Refusal(R"({"type":"alarm"})"), HasSubstr("'alarm' is no type"));
  EXPECT_THAT(Refusal(R"({"type":"vm"})"), HasSubstr("'uuid' is missing"));
  EXPECT_THAT(Refusal(With(kVmLine, "\"name\"", "\"nmae\"")), HasSubstr("unknown key 'nmae'"));
  EXPECT_THAT(Refusal(With(kVmLine, "\"g1\"", "7")), HasSubstr("'name' must be text"));
  EXPECT_THAT(Refusal(With(kVmLine, "\"g1\"", "null")), HasSubstr("'name' must be there"));
  EXPECT_THAT(Refusal(With(kVmLine, ":0}", ":\"0\"}")), HasSubstr("'events_pruned' must be a num"));
  EXPECT_THAT(Refusal(With(kVmLine, ":0}", ":-1}")), HasSubstr("'events_pruned' must be 0 to"));
  EXPECT_THAT(Refusal(With(kVmLine, ":0}", ":1.5}")), HasSubstr("whole number"));
  EXPECT_THAT(Refusal(With(kVmLine, ":0}", ":18446744073709551615}")), HasSubstr("at most"));
  EXPECT_THAT(Refusal(With(kVmLine, "c7a5", "C7A5")), HasSubstr("'uuid' must be a UUID in lower"));
  EXPECT_THAT(Refusal(With(kVmLine, "g1", std::string(256, 'x'))), HasSubstr("at most 255 bytes"));
  EXPECT_THAT(Refusal(With(RecordLine(Audit()), "0xfffffffffffff000", "12")),
              HasSubstr("'gpa' must be \"0x...\""));
  EXPECT_THAT(Refusal(With(RecordLine(Audit()), "\"clear\"", "\"erase\"")),
              HasSubstr("'action' must be one of clear, replay, drain, import"));
}

// A ledger that is lost after an update is brought back from an export of before it.
TEST(RecordLines, WhatCameLaterIsNullInAnOlderExport) {
  const std::string old =
      R"({"type":"incarnation","id":"c7a5fdbd-edaf-9455-926a-d65c16db1809",)"
      R"("vm":"c7a5fdbd-edaf-9455-926a-d65c16db1809",)"
      R"("host_boot":"c7a5fdbd-edaf-9455-926a-d65c16db1809","pid":1,"start_ticks":2,)"
      R"("began_unix_ns":3,"ended_unix_ns":null,"boot":null,"boots":0})";
  EXPECT_EQ(Refusal(old), "accepted");
  EXPECT_TRUE(ParseRecordLine(old)->IsNull("list_result"));
  EXPECT_THAT(Refusal(With(old, ",\"boot\":null", "")), HasSubstr("'boot' is missing"));
}

class Intake : public testing::Test {
 protected:
  void Lines(std::initializer_list<std::string> lines) {
    for (const std::string& line : lines) intake_.Feed(line + "\n");
  }
  // As the ledger that has nothing yet.
  void TakeAll() {
    for (;;) {
      const auto batch = intake_.TakeBatch();
      if (batch.empty()) return;
      EXPECT_LE(batch.size(), RecordIntake::kBatch);
      intake_.Answer(
          std::vector<ledger::ImportedRecord>(batch.size(), {ledger::ImportOutcome::kAdded, ""}));
    }
  }
  RecordIntake intake_;
};

TEST_F(Intake, NamesTheLineOfEveryErrorAndKeepsTheRest) {
  Lines({RecordHeaderLine(), kVmLine, "{}", With(kVmLine, "g1", "g2"), RecordEndLine(3)});
  intake_.End();
  const auto batch = intake_.TakeBatch();
  ASSERT_THAT(batch, SizeIs(2));
  intake_.Answer({{ledger::ImportOutcome::kKnown, ""}, {ledger::ImportOutcome::kRefused, "odd"}});
  const ImportResult& result = intake_.result();
  EXPECT_EQ(result.lines, 5u);
  EXPECT_EQ(result.known, 1u);
  EXPECT_EQ(result.refused, 2u);
  ASSERT_THAT(result.errors, SizeIs(2));
  EXPECT_EQ(result.errors[0].line, 3u);
  EXPECT_EQ(result.errors[1].line, 4u);
  EXPECT_EQ(result.errors[1].text, "odd");
}

TEST_F(Intake, CutsLinesWhereverTheBytesAreCut) {
  std::string all = RecordHeaderLine() + "\n";
  for (int i = 0; i < 600; ++i) all += std::string(kVmLine) + "\n";
  all += RecordEndLine(600);
  for (std::size_t at = 0; at < all.size(); at += 7) intake_.Feed(all.substr(at, 7));
  EXPECT_TRUE(intake_.full());
  intake_.End();
  TakeAll();
  EXPECT_EQ(intake_.result().added, 600u);
  EXPECT_EQ(intake_.result().refused, 0u);
}

TEST_F(Intake, SaysThatTheEndIsMissing) {
  Lines({RecordHeaderLine(), kVmLine});
  intake_.End();
  TakeAll();
  EXPECT_EQ(intake_.result().added, 1u);
  ASSERT_THAT(intake_.result().errors, SizeIs(1));
  EXPECT_THAT(intake_.result().errors[0].text, HasSubstr("the end is missing"));
}

TEST_F(Intake, SaysThatLinesAreMissing) {
  Lines({RecordHeaderLine(), kVmLine, RecordEndLine(2), kVmLine});
  intake_.End();
  ASSERT_THAT(intake_.result().errors, SizeIs(2));
  EXPECT_THAT(intake_.result().errors[0].text, HasSubstr("tells of 2 records; 1 came"));
  EXPECT_THAT(intake_.result().errors[1].text, HasSubstr("behind the end"));
}

TEST_F(Intake, TakesNothingWithoutAHeader) {
  for (const std::string& first :
       {std::string(kVmLine), std::string("ELF"),
        std::string(R"({"type":"seaward_ledger","format":2,"version":"9"})")}) {
    intake_ = {};
    Lines({first, kVmLine});
    intake_.End();
    EXPECT_TRUE(intake_.hopeless());
    EXPECT_TRUE(intake_.TakeBatch().empty());
    ASSERT_THAT(intake_.result().errors, SizeIs(1));
    EXPECT_EQ(intake_.result().errors[0].line, 1u);
  }
  EXPECT_THAT(intake_.result().errors[0].text, HasSubstr("has format 2"));
}

TEST_F(Intake, IsBoundedWhateverComes) {
  Lines({RecordHeaderLine(), std::string(10 * kMaxRecordBytes, '{'), kVmLine});
  for (int i = 0; i < 2000; ++i) Lines({"x"});
  Lines({RecordEndLine(2002)});
  intake_.End();
  TakeAll();
  EXPECT_EQ(intake_.result().added, 1u);
  EXPECT_EQ(intake_.result().refused, 2001u);
  EXPECT_THAT(intake_.result().errors, SizeIs(RecordIntake::kMostErrors));
  EXPECT_THAT(intake_.result().errors[0].text, HasSubstr("too long"));
}

}  // namespace
}  // namespace seaward::observe
