#include "protocol/frame_reader.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/crc32c.h"
#include "protocol/codec.h"
#include "protocol/message_generators_fixture.h"

namespace seaward::protocol {
namespace {

using Bytes = std::vector<std::byte>;

Bytes FrameOf(const Message& message, std::uint32_t sequence) {
  return EncodeFrame(message, Nonce{0x5eed}, sequence).value();
}

void Add(Bytes& stream, const Bytes& bytes) {
  stream.insert(stream.end(), bytes.begin(), bytes.end());
}

// Sequence numbers of the frames found when `stream` arrives in pieces of `piece` bytes.
std::vector<std::uint32_t> Sequences(FrameReader& reader, std::span<const std::byte> stream,
                                     std::size_t piece = 4096) {
  std::vector<std::uint32_t> found;
  while (!stream.empty()) {
    const auto part = stream.first(std::min(piece, stream.size()));
    reader.Feed(part, [&](const Frame& frame) { found.push_back(frame.header.sequence); });
    stream = stream.subspan(part.size());
  }
  return found;
}

using List = std::vector<std::uint32_t>;

RC_GTEST_PROP(FrameReader, PiecesOfAnySizeGiveTheSameFrames, ()) {
  Bytes stream;
  List expected;
  const auto count = *rc::gen::inRange<std::uint32_t>(1, 6);
  for (std::uint32_t i = 1; i <= count; ++i) {
    Add(stream, FrameOf(testing::AnyMessage(), i));
    expected.push_back(i);
  }
  FrameReader reader;
  RC_ASSERT(Sequences(reader, stream, *rc::gen::inRange<std::size_t>(1, 10000)) == expected);
  RC_ASSERT(reader.dropped_bytes() == 0u);
  RC_ASSERT(reader.buffered_bytes() == 0u);
}

RC_GTEST_PROP(FrameReader, GarbageBetweenFramesIsSkippedAndCounted, ()) {
  const Bytes frame = FrameOf(testing::AnyMessage(), 1);
  // Bytes below 'R' cannot hold the magic.
  const auto garbage = *rc::gen::container<std::vector<std::uint8_t>>(
      *rc::gen::inRange<std::size_t>(0, 20000), rc::gen::inRange<std::uint8_t>(0, 'R'));
  Bytes stream = frame;
  for (const auto b : garbage) stream.push_back(static_cast<std::byte>(b));
  Add(stream, FrameOf(Ping{}, 2));
  FrameReader reader;
  RC_ASSERT(Sequences(reader, stream, *rc::gen::inRange<std::size_t>(1, 9000)) == List({1, 2}));
  RC_ASSERT(reader.dropped_bytes() == garbage.size());
}

TEST(FrameReader, ResynchronisesAfterACutAtEveryByteWithoutWaitingForMore) {
  Poison poison;
  for (std::uint64_t id = 1; id <= 20; ++id) poison.entries.push_back({.id = id});
  const Bytes torn = FrameOf(poison, 1);
  const Bytes whole = FrameOf(Sync{1, 2}, 2);
  for (std::size_t cut = 0; cut < torn.size(); ++cut) {
    Bytes head(torn.begin(), torn.begin() + static_cast<std::ptrdiff_t>(cut));
    Add(head, whole);
    FrameReader reader;
    EXPECT_EQ(Sequences(reader, head), List({2})) << cut;
    EXPECT_EQ(reader.dropped_bytes(), cut);

    Bytes tail(torn.begin() + static_cast<std::ptrdiff_t>(cut + 1), torn.end());
    Add(tail, whole);
    FrameReader second;
    EXPECT_EQ(Sequences(second, tail), List({2})) << cut;
    EXPECT_EQ(second.dropped_bytes(), torn.size() - cut - 1);
  }
}

RC_GTEST_PROP(FrameReader, ResynchronisesAfterAnyMessageCutAnywhere, ()) {
  const Bytes torn = FrameOf(testing::AnyMessage(), 1);
  const auto cut = *rc::gen::inRange<std::size_t>(0, torn.size());
  Bytes stream(torn.begin(), torn.begin() + static_cast<std::ptrdiff_t>(cut));
  Add(stream, FrameOf(testing::AnyMessage(), 2));
  Add(stream, FrameOf(testing::AnyMessage(), 3));
  FrameReader reader;
  RC_ASSERT(Sequences(reader, stream, *rc::gen::inRange<std::size_t>(1, 5000)) == List({2, 3}));
  RC_ASSERT(reader.dropped_bytes() == cut);
}

TEST(FrameReader, OneFlippedBitLosesThatFrameOnly) {
  const Bytes good = FrameOf(Sync{0x1122334455667788, 9}, 1);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes stream = good;
    stream[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    Add(stream, FrameOf(Ping{}, 2));
    FrameReader reader;
    EXPECT_EQ(Sequences(reader, stream), List({2})) << bit;
    EXPECT_EQ(reader.dropped_bytes(), good.size());
  }
}

TEST(FrameReader, MemoryStaysBoundedWhateverArrives) {
  // Headers that promise long payloads which never end in a right CRC, eight bytes apart.
  Bytes hostile;
  while (hostile.size() < 300'000) {
    for (const char c : {'S', 'W', 'R', 'D', '\1', '\5', '\0', '\0'})
      hostile.push_back(static_cast<std::byte>(c));
  }
  Add(hostile, FrameOf(Ping{}, 7));
  FrameReader reader;
  List found;
  std::span<const std::byte> rest = hostile;
  while (!rest.empty()) {
    rest = reader.Append(rest);
    while (const auto frame = reader.Next()) found.push_back(frame->header.sequence);
    ASSERT_LT(reader.buffered_bytes(), kMaxFrameBytes);
  }
  EXPECT_EQ(found, List({7}));
  EXPECT_EQ(reader.dropped_bytes(), 300'000u);
}

TEST(FrameReader, SkipsAFrameOfAnotherVersionAndSaysSo) {
  // The ping of version 2 with sequence 1; the CRC is that of the changed bytes.
  Bytes foreign = FrameOf(Ping{}, 1);
  foreign[4] = std::byte{2};
  const std::uint32_t crc = Crc32c(std::span(foreign).first(kCrcOffset));
  for (std::size_t i = 0; i < 4; ++i)
    foreign[kCrcOffset + i] = static_cast<std::byte>(crc >> (8 * i));
  Add(foreign, FrameOf(Ping{}, 2));
  FrameReader reader;
  EXPECT_EQ(Sequences(reader, foreign), List({2}));
  EXPECT_EQ(reader.foreign_frames(), 1u);
  EXPECT_EQ(reader.dropped_bytes(), 0u);
}

TEST(FrameReader, ResetCountsATornFrameAndStartsAfresh) {
  const Bytes frame = FrameOf(Sync{}, 1);
  FrameReader reader;
  EXPECT_EQ(Sequences(reader, std::span(frame).first(20)), List{});
  EXPECT_EQ(reader.buffered_bytes(), 20u);
  reader.Reset();
  EXPECT_EQ(reader.dropped_bytes(), 20u);
  EXPECT_EQ(Sequences(reader, std::span(frame).subspan(20)), List{});
  EXPECT_EQ(Sequences(reader, frame), List({1}));
}

TEST(FrameReader, KeepsAMagicThatArrivesBytewise) {
  const Bytes frame = FrameOf(Ping{}, 1);
  Bytes stream(5, std::byte{'S'});  // "SSSSS" and then the real magic
  Add(stream, frame);
  FrameReader reader;
  EXPECT_EQ(Sequences(reader, stream, 1), List({1}));
  EXPECT_EQ(reader.dropped_bytes(), 5u);
}

}  // namespace
}  // namespace seaward::protocol
