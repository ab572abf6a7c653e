// Reads protocol/spec.md and holds the code against it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/file_io.h"
#include "protocol/codec.h"
#include "protocol/frame_reader.h"
#include "protocol/page_set.h"
#include "protocol/testing/describe.h"

namespace seaward::protocol {
namespace {

// One fenced block: "key = value" lines; indented lines continue the value before them.
using Block = std::map<std::string, std::string>;

std::vector<std::string> SpecLines() {
  const auto text = ReadTextFile(SEAWARD_SOURCE_DIR "/protocol/spec.md", 1 << 20);
  std::istringstream in(text.value());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<Block> BlocksOf(const std::string& kind) {
  std::vector<Block> blocks;
  bool inside = false;
  std::string key;
  for (const std::string& line : SpecLines()) {
    if (line == "```" + kind) {
      inside = true;
      blocks.emplace_back();
    } else if (line == "```") {
      inside = false;
    } else if (inside && line.starts_with("  ")) {
      blocks.back()[key] += "\n" + line;
    } else if (inside) {
      const auto equals = line.find(" =");
      key = line.substr(0, equals);
      blocks.back()[key] = line.size() > equals + 3 ? line.substr(equals + 3) : "";
    }
  }
  return blocks;
}

std::vector<std::byte> BytesOf(const std::string& hex) {
  std::string digits;
  for (const char c : hex)
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoul(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::uint64_t NumberOf(const std::string& text) {
  return std::stoull(text, nullptr, 0);
}

TEST(Spec, VectorsDecodeToTheirMessagesAndEncodeToTheirBytes) {
  const auto blocks = BlocksOf("vector");
  std::set<MessageType> types;
  for (Block block : blocks) {
    SCOPED_TRACE(block["name"]);
    const auto bytes = BytesOf(block["frame"]);
    FrameReader reader;
    ASSERT_TRUE(reader.Append(bytes).empty());
    const auto frame = reader.Next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->header.nonce, static_cast<Nonce>(NumberOf(block["nonce"])));
    EXPECT_EQ(frame->header.sequence, NumberOf(block["sequence"]));
    const auto message = Decode(*frame);
    ASSERT_TRUE(message) << message.error().Text();
    EXPECT_EQ(testing::Describe(*message), block["message"]);
    EXPECT_EQ(EncodeFrame(*message, frame->header.nonce, frame->header.sequence).value(), bytes);
    types.insert(frame->header.type);
  }
  EXPECT_EQ(types.size(), static_cast<std::size_t>(MessageType::kBeforeKernel))
      << "a vector per type";
}

TEST(Spec, RejectsAreWholeFramesWithRefusedPayloads) {
  const auto blocks = BlocksOf("reject");
  EXPECT_GE(blocks.size(), 20u);
  for (Block block : blocks) {
    SCOPED_TRACE(block["name"]);
    FrameReader reader;
    ASSERT_TRUE(reader.Append(BytesOf(block["frame"])).empty());
    const auto frame = reader.Next();
    ASSERT_TRUE(frame) << "the frame itself is good";
    const auto message = Decode(*frame);
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().code,
              block["why"] == "unsupported" ? ErrorCode::kUnsupported : ErrorCode::kInvalid);
  }
}

TEST(Spec, StreamsYieldTheirFramesInPiecesOfAnySize) {
  const auto blocks = BlocksOf("stream");
  EXPECT_GE(blocks.size(), 6u);
  for (Block block : blocks) {
    SCOPED_TRACE(block["name"]);
    const auto bytes = BytesOf(block["bytes"]);
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
      FrameReader reader;
      std::string frames;
      for (std::size_t at = 0; at < bytes.size(); at += piece)
        reader.Feed(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)),
                    [&](const Frame& frame) { frames += std::to_string(frame.header.sequence); });
      EXPECT_EQ(frames, block["frames"]);
      EXPECT_EQ(reader.dropped_bytes(), NumberOf(block["dropped"]));
      EXPECT_EQ(reader.foreign_frames(), NumberOf(block["foreign"]));
    }
  }
}

TEST(Spec, DigestsAreThoseOfThePageSet) {
  const auto blocks = BlocksOf("digest");
  EXPECT_GE(blocks.size(), 4u);
  for (Block block : blocks) {
    SCOPED_TRACE(block["ranges"]);
    PageSet set;
    std::istringstream ranges(block["ranges"]);
    for (std::string range; ranges >> range;) {
      const auto plus = range.find('+');
      set.Insert(ByteRange::Make(GuestPhysAddr{NumberOf(range.substr(0, plus))},
                                 NumberOf(range.substr(plus + 1)))
                     .value());
    }
    EXPECT_EQ(set.entries(), NumberOf(block["entries"]));
    EXPECT_EQ(set.digest(), NumberOf(block["digest"]));
  }
}

TEST(Spec, LimitsAreThoseOfTheCode) {
  const std::map<std::string, std::uint64_t> limits = {
      {"header bytes", kHeaderBytes},
      {"payload bytes", kMaxPayloadBytes},
      {"poison entries per frame", kMaxPoisonEntries},
      {"clear ranges per frame", kMaxClearRanges},
      {"verdict records per frame", kMaxVerdictRecords},
      {"known records per frame", kMaxKnownRecords},
      {"agent version bytes", kMaxAgentVersionBytes},
      {"comm bytes", kMaxCommBytes},
      {"cgroup bytes", kMaxCgroupBytes},
      {"losses per frame", kMaxLosses},
      {"guest physical address bits", kMaxGuestPhysBits},
      {"range bytes", kMaxRangeBytes},
  };
  std::map<std::string, std::uint64_t> found;
  for (const std::string& line : SpecLines()) {
    for (const auto& [name, value] : limits) {
      const std::string row = "| " + name + " | ";
      if (line.starts_with(row)) found[name] = NumberOf(line.substr(row.size()));
    }
  }
  EXPECT_EQ(found, limits);
}

// Every number of a value table stands in the spec as "number name".
TEST(Spec, NamesEveryEnumerator) {
  std::string text;
  for (const std::string& line : SpecLines()) text += line + "\n";
  const auto names = [&](int number, std::string name) {
    std::replace(name.begin(), name.end(), '_', ' ');
    if (name == "not ram") name = "not RAM";
    EXPECT_NE(text.find(std::to_string(number) + " " + name), std::string::npos) << name;
  };
  for (int i = 1; i <= 3; ++i) names(i, std::string(ToString(static_cast<Evidence>(i))));
  for (int i = 1; i <= 8; ++i) names(i, std::string(ToString(static_cast<Outcome>(i))));
  for (int i = 0; i <= 9; ++i) names(i, std::string(ToString(static_cast<PageKind>(i))));
  for (int i = 1; i <= 2; ++i) names(i, std::string(ToString(static_cast<Stage>(i))));
}

}  // namespace
}  // namespace seaward::protocol
