#include "guest-agent/nextboot/boot_report.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace seaward::nextboot {
namespace {

std::vector<uint8_t> Encoded(const BootReport& report, bool with_runs = true) {
  std::vector<uint8_t> bytes(kMaxReportBytes);
  bytes.resize(WriteReport(report, with_runs, bytes.data()));
  return bytes;
}

TEST(BootReport, NeighboursOfOneFateAreOneRun) {
  BootReport report;
  AddFate(report, 0x1000, 1, PageFate::kProtected);
  AddFate(report, 0x2000, 2, PageFate::kProtected);
  AddFate(report, 0x4000, 1, PageFate::kBusy);
  AddFate(report, 0x8000, 1, PageFate::kBusy);
  ASSERT_EQ(report.run_count, 3U);
  EXPECT_EQ(report.runs[0], (FateRun{0x1000, 3, PageFate::kProtected}));
  EXPECT_EQ(report.listed_pages, 5U);
  EXPECT_EQ(report.protected_pages, 3U);
}

TEST(BootReport, SaysWhatWasWritten) {
  BootReport report;
  report.result = BootResult::kApplied;
  report.list_checksum = 0xdeadbeef;
  report.boots = 2;
  report.from_old_list = true;
  report.firmware_status = 14;
  AddFate(report, 0x48000000, 7, PageFate::kFirmware);
  AddFate(report, 0x50000000, 1, PageFate::kSkipped);
  const auto bytes = Encoded(report);
  BootReport read;
  ASSERT_TRUE(ReadReport({bytes.data(), bytes.size()}, read));
  EXPECT_EQ(read.result, report.result);
  EXPECT_EQ(read.list_checksum, report.list_checksum);
  EXPECT_EQ(read.boots, 2);
  EXPECT_TRUE(read.from_old_list);
  EXPECT_FALSE(read.runs_left_out);
  EXPECT_EQ(read.listed_pages, 8U);
  EXPECT_EQ(read.protected_pages, 0U);
  EXPECT_EQ(read.firmware_status, 14U);
  ASSERT_EQ(read.run_count, 2U);
  EXPECT_EQ(read.runs[0], report.runs[0]);
  EXPECT_EQ(read.runs[1], report.runs[1]);
}

TEST(BootReport, CountsPagesWhoseRunsHaveNoRoom) {
  const auto report = std::make_unique<BootReport>();
  for (uint64_t i = 0; i < kMaxRuns + 5; ++i)
    AddFate(*report, 0x40000000 + i * 0x2000, 1, PageFate::kProtected);
  EXPECT_EQ(report->run_count, kMaxRuns);
  EXPECT_TRUE(report->runs_left_out);
  EXPECT_EQ(report->protected_pages, kMaxRuns + 5);
  EXPECT_EQ(Encoded(*report).size(), kMaxReportBytes);
}

TEST(BootReport, CanDoWithoutItsRuns) {
  BootReport report;
  AddFate(report, 0x1000, 1, PageFate::kProtected);
  const auto bytes = Encoded(report, false);
  EXPECT_EQ(bytes.size(), kReportHeaderBytes);
  BootReport read;
  ASSERT_TRUE(ReadReport({bytes.data(), bytes.size()}, read));
  EXPECT_TRUE(read.runs_left_out);
  EXPECT_EQ(read.protected_pages, 1U);
}

TEST(BootReport, RefusesWhatIsNone) {
  BootReport report;
  AddFate(report, 0x1000, 1, PageFate::kProtected);
  const auto good = Encoded(report);
  BootReport read;
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_FALSE(ReadReport({good.data(), length}, read)) << length;
  for (const auto& [at, value] : std::vector<std::pair<size_t, uint8_t>>{{0, 'X'},
                                                                         {4, 2},
                                                                         {6, 0},
                                                                         {6, 99},
                                                                         {28, 2},
                                                                         {32 + 12, 0},
                                                                         {32 + 12, 99},
                                                                         {32 + 8, 0},
                                                                         {32, 1}}) {
    auto bad = good;
    bad[at] = value;
    EXPECT_FALSE(ReadReport({bad.data(), bad.size()}, read)) << at;
  }
}

TEST(BootCounter, SaysWhatWasWritten) {
  uint8_t bytes[kCounterBytes];
  WriteCounter({0x01020304, 2}, bytes);
  BootCounter counter;
  ASSERT_TRUE(ReadCounter({bytes, sizeof(bytes)}, counter));
  EXPECT_EQ(counter.list_checksum, 0x01020304U);
  EXPECT_EQ(counter.boots, 2);
  EXPECT_FALSE(ReadCounter({bytes, sizeof(bytes) - 1}, counter));
}

}  // namespace
}  // namespace seaward::nextboot
