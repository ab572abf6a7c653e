#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <limits>

#include "base/byte_codec.h"
#include "base/crc32c.h"
#include "base/crc32c_instructions.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/mutants.h"
#include "base/units.h"
#include "base/uuid.h"

namespace seaward {
namespace {

#ifndef SEAWARD_MUTANTS
TEST(Mutants, AreNotInAProgramThatIsUsed) {
  ASSERT_EQ(0, ::setenv("SEAWARD_MUTANT", "skip_commit", 1));
  for (const auto& [mutant, name] : kAllMutants) EXPECT_FALSE(Lives(mutant)) << name;
  static_assert(!Lives(Mutant::kSkipCommit), "compiled out");
  ::unsetenv("SEAWARD_MUTANT");
}
#endif

TEST(Mutants, AreListedInTheOrderOfTheirNumbers) {
  std::size_t number = 0;
  for (const auto& [mutant, name] : kAllMutants)
    EXPECT_EQ(static_cast<std::size_t>(mutant), number++) << name;
  EXPECT_EQ(number, static_cast<std::size_t>(Mutant::kSpin) + 1);
}

TEST(Crc32c, MatchesTheCheckValueOfRfc3720) {
  const std::string_view digits = "123456789";
  EXPECT_EQ(Crc32c(std::as_bytes(std::span(digits))), 0xe3069283u);
}

TEST(Crc32c, ContinuesFromASeedAtEveryCut) {
  const std::string text = "thirty-two bytes and a bit more..";
  const auto bytes = std::as_bytes(std::span(text));
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut)
    EXPECT_EQ(Crc32c(bytes.subspan(cut), Crc32c(bytes.first(cut))), Crc32c(bytes)) << cut;
}

// Lengths around one and two rounds of three parts, and each alignment of the first byte.
TEST(Crc32c, InstructionsAndTablesAgreeAtEveryLength) {
  if (!CpuHasCrc32c()) GTEST_SKIP() << "n/a: this CPU has no instruction for it";
  std::vector<std::byte> bytes(2100);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(i * i + (i >> 3));
  for (std::size_t length = 0; length + 8 <= bytes.size(); ++length) {
    const auto some = std::span(bytes).subspan(length % 8, length);
    const auto seed = static_cast<std::uint32_t>(length * 0x9e3779b9);
    ASSERT_EQ(Crc32cByInstructions(some, seed), Crc32cByTables(some, seed)) << length;
  }
}

TEST(ByteWriter, ClaimsNoMoreThanThereIs) {
  std::array<std::byte, 4> out{};
  ByteWriter writer(out);
  writer.Put(std::uint8_t{1});
  const auto claimed = writer.Claim(2);
  ASSERT_EQ(claimed.size(), 2u);
  EXPECT_EQ(claimed.data(), out.data() + 1);
  EXPECT_TRUE(writer.Claim(2).empty());
  writer.Put(std::uint8_t{4});  // would fit, but the writer is bad for good
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(out[3], std::byte{0});
}

TEST(ByteRange, RefusesEmptyAndWrappingRanges) {
  EXPECT_FALSE(ByteRange::Make(GuestPhysAddr{4096}, 0));
  const auto top = std::numeric_limits<std::uint64_t>::max();
  EXPECT_TRUE(ByteRange::Make(GuestPhysAddr{top}, 1));
  EXPECT_FALSE(ByteRange::Make(GuestPhysAddr{top}, 2));
}

TEST(ByteRange, WidensToWholePages) {
  const auto range = ByteRange::Make(GuestPhysAddr{0x1fff}, 2).value().AlignedTo(4096);
  EXPECT_EQ(range.start().value, 0x1000u);
  EXPECT_EQ(range.length(), 8192u);
}

TEST(Addresses, ParseOnlyPrefixedHex) {
  EXPECT_EQ(ParseAddress("0x48048000").value(), 0x48048000u);
  for (const char* bad : {"", "0x", "48048000", "0x1g", " 0x1", "0x10000000000000000", "-0x1"})
    EXPECT_FALSE(ParseAddress(bad)) << bad;
  EXPECT_EQ(FormatAddress(0x4711000), "0x4711000");
}

TEST(Uuid, RoundTripsAndRefusesMisplacedHyphens) {
  const std::string text = "c7a5fdbd-edaf-9455-926a-d65c16db1809";
  EXPECT_EQ(FormatUuid(ParseUuid(text).value()), text);
  EXPECT_FALSE(ParseUuid("c7a5fdbdedaf-9455-926a--d65c16db1809"));
  EXPECT_FALSE(ParseUuid("c7a5fdbd"));
}

TEST(Uuid, RandomOnesDifferAndSayTheirVersion) {
  const std::string text = FormatUuid(RandomUuid());
  EXPECT_EQ(text[14], '4');
  EXPECT_NE(std::string_view("89ab").find(text[19]), std::string_view::npos);
  EXPECT_NE(RandomUuid(), RandomUuid());
}

TEST(ByteReader, StaysBadAfterAnOverrun) {
  const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.Get<std::uint16_t>(), 0x0201u);
  EXPECT_EQ(reader.Get<std::uint16_t>(), 0u);
  EXPECT_EQ(reader.Get<std::uint8_t>(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(ReplaceFile, LeavesNothingBehindWhenTheFolderIsMissing) {
  const std::string folder = testing::TempDir() + "seaward-replace";
  std::filesystem::create_directories(folder);
  const std::string text = "new";
  EXPECT_FALSE(ReplaceFile(folder + "/missing/file", std::as_bytes(std::span(text))));
  EXPECT_TRUE(ReplaceFile(folder + "/file", std::as_bytes(std::span(text))));
  EXPECT_EQ(ReadTextFile(folder + "/file", 10).value(), "new");
  EXPECT_EQ(ReadTextFile(folder + "/file", 2).error().code, ErrorCode::kLimit);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  std::filesystem::remove_all(folder);
}

class LastLine final : public LogSink {
 public:
  void Write(LogLevel, std::string_view line) override { line_ = line; }
  std::string line_;
};

TEST(Logger, QuotesWhatAParserCouldMisread) {
  LastLine sink;
  const Logger log(sink, LogLevel::kInfo);
  log.Info("test", {{"vm", "a b"}, {"gpa", "0x1"}, {"text", "x\"\n"}});
  EXPECT_EQ(sink.line_, "event=test vm=\"a b\" gpa=0x1 text=\"x\\\"\\x0a\"");
  log.Debug("hidden");
  EXPECT_EQ(sink.line_.substr(0, 10), "event=test");
}

}  // namespace
}  // namespace seaward
