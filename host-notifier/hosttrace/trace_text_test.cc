#include "host-notifier/hosttrace/trace_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seaward {
namespace {

using ::testing::ElementsAre;

constexpr char kLine[] =
    "     kworker/0:1-12      [000] .....   123.456789: memory_failure_event: pfn 0x4711: recovery "
    "action for dirty LRU page: Recovered";

std::string Describe(std::string_view line) {
  const auto parsed = ParseTraceLine(line);
  if (!parsed) return "none";
  if (const auto* lost = std::get_if<LostEvents>(&*parsed))
    return "lost " + std::to_string(lost->count);
  const auto& failure = std::get<FrameFailure>(*parsed);
  return FormatAddress(failure.frame.number) + " " + failure.result;
}

TEST(TraceText, ReadsTheFrameAndWhatBecameOfIt) {
  EXPECT_EQ(Describe(kLine), "0x4711 Recovered");
  EXPECT_EQ(Describe("x-1 [0] 1: memory_failure_event: pfn 0xfffffffff: recovery action for huge "
                     "page: Ignored"),
            "0xfffffffff Ignored");
  EXPECT_EQ(Describe("a: b-1 [0] 1: memory_failure_event: pfn 0x1: of a kernel to come"), "0x1 ")
      << "the frame is what counts";
}

TEST(TraceText, AnythingElseIsPassedOver) {
  const std::string line = kLine;
  for (std::size_t size = 0; size < line.find("0x4711:") + 7; ++size)
    EXPECT_EQ(Describe(line.substr(0, size)), "none") << line.substr(0, size);
  EXPECT_EQ(Describe("x-1 [0] 1: memory_failure_event: pfn 0x0: recovery"), "none");
  EXPECT_EQ(Describe("x-1 [0] 1: memory_failure_event: pfn 0x10000000000: recovery"), "none")
      << "beyond any machine";
  EXPECT_EQ(Describe("x-1 [0] 1: memory_failure_event: pfn 0xffffffffffffffffff: x"), "none");
  EXPECT_EQ(Describe("x-1 [0] 1: memory_failure_event: pfn 4711: recovery"), "none");
  EXPECT_EQ(Describe("x-1 [0] 1: mce_record: pfn 0x4711: recovery"), "none");
  EXPECT_EQ(Describe(std::string("\0\xff pfn 0x1:", 11)), "none");
}

TEST(TraceText, SaysHowManyWereLost) {
  EXPECT_EQ(Describe("CPU:3 [LOST 5 EVENTS]"), "lost 5");
  EXPECT_EQ(Describe("CPU:3 [LOST EVENTS]"), "lost 1");
  EXPECT_EQ(Describe("CPU:3 [LOST 5 COWS]"), "none");
}

TEST(TraceText, LinesComeInPiecesOfAnySizeAndLongOnesAreNone) {
  const std::string text = std::string(kLine) + "\n" +
                           std::string(TraceText::kLongestLine + 1, 'x') + kLine + "\n\n" + kLine +
                           "\n";
  for (std::size_t piece = 1; piece < 300; piece += 7) {
    TraceText reader;
    std::vector<std::uint64_t> frames;
    for (std::size_t at = 0; at < text.size(); at += piece)
      reader.Feed(std::string_view(text).substr(at, piece), [&](const TraceLine& line) {
        frames.push_back(std::get<FrameFailure>(line).frame.number);
      });
    EXPECT_THAT(frames, ElementsAre(0x4711, 0x4711));
    EXPECT_EQ(reader.passed_over(), 1u);
  }
}

}  // namespace
}  // namespace seaward
