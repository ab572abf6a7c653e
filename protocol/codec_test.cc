#include "protocol/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "protocol/frame_reader.h"
#include "protocol/message_generators_fixture.h"

namespace seaward::protocol {
namespace {

using testing::AnyMessage;

std::vector<std::byte> PayloadOf(const Message& message) {
  const auto frame = EncodeFrame(message, Nonce{1}, 1);
  return {frame->begin() + kHeaderBytes, frame->end()};
}

// RapidCheck reports the failing sizes; the bytes tell the rest.
RC_GTEST_PROP(Codec, EveryMessageRoundTripsThroughAFrame, ()) {
  const Message message = AnyMessage();
  const auto nonce = static_cast<Nonce>(*rc::gen::arbitrary<std::uint64_t>());
  const auto sequence = *rc::gen::arbitrary<std::uint32_t>();
  const auto frame = EncodeFrame(message, nonce, sequence);
  RC_ASSERT(frame.has_value());
  RC_ASSERT(frame->size() <= kMaxFrameBytes);

  FrameReader reader;
  RC_ASSERT(reader.Append(*frame).empty());
  const auto read = reader.Next();
  RC_ASSERT(read.has_value());
  RC_ASSERT(read->header.nonce == nonce);
  RC_ASSERT(read->header.sequence == sequence);
  RC_ASSERT(read->header.type == TypeOf(message));
  const auto decoded = Decode(*read);
  RC_ASSERT(decoded.has_value());
  const auto again = EncodeFrame(*decoded, nonce, sequence);
  RC_ASSERT(again.has_value());
  RC_ASSERT(*again == *frame);
}

RC_GTEST_PROP(Codec, ShortenedAndLengthenedPayloadsAreRefused, ()) {
  const Message message = AnyMessage();
  auto payload = PayloadOf(message);
  payload.push_back(std::byte{0});
  RC_ASSERT(!DecodePayload(TypeOf(message), payload).has_value());
  payload.pop_back();
  if (payload.empty()) return;
  const auto cut = *rc::gen::inRange<std::size_t>(0, payload.size());
  RC_ASSERT(!DecodePayload(TypeOf(message), std::span(payload).first(cut)).has_value());
}

RC_GTEST_PROP(Codec, WhatDecodesEncodesToTheSameBytes, ()) {
  const auto type = *testing::AnyEnum(MessageType::kHelloRequest, MessageType::kBeforeKernel);
  auto payload = PayloadOf(testing::MessageOfType(type));
  if (!payload.empty()) {
    const auto at = *rc::gen::inRange<std::size_t>(0, payload.size());
    payload[at] = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  }
  const auto decoded = DecodePayload(type, payload);
  if (decoded) RC_ASSERT(PayloadOf(*decoded) == payload);
}

TEST(Codec, KnowsNoOtherTypes) {
  for (const int type : {0, 15, 255}) {
    const auto decoded = DecodePayload(static_cast<MessageType>(type), {});
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code, ErrorCode::kUnsupported);
  }
}

TEST(Codec, RefusesToWriteWhatAReaderWouldRefuse) {
  const auto code = [](const Message& message) {
    const auto frame = EncodeFrame(message, Nonce{1}, 1);
    return frame ? std::optional<ErrorCode>() : frame.error().code;
  };
  EXPECT_EQ(code(Poison{}), ErrorCode::kInvalid);
  EXPECT_EQ(code(Poison{std::vector<PoisonEntry>(kMaxPoisonEntries + 1, PoisonEntry{.id = 1})}),
            ErrorCode::kLimit);
  EXPECT_EQ(code(Poison{{PoisonEntry{.id = 0}}}), ErrorCode::kInvalid);
  const auto unaligned = ByteRange::Make(GuestPhysAddr{0x1001}, 4096).value();
  EXPECT_EQ(code(Clear{{unaligned}}), ErrorCode::kInvalid);
  const auto too_high = ByteRange::Granule(GuestPhysAddr{std::uint64_t{1} << 52});
  EXPECT_EQ(code(Clear{{too_high}}), ErrorCode::kInvalid);
  const auto too_long = ByteRange::Make({}, kMaxRangeBytes + kPoisonGranule).value();
  EXPECT_EQ(code(Clear{{too_long}}), ErrorCode::kInvalid);
  EXPECT_EQ(code(Verdict{{VerdictRecord{
                .id = 1, .outcome = Outcome::kRetired, .next_try = std::chrono::milliseconds(1)}}}),
            ErrorCode::kInvalid);
  EXPECT_EQ(code(Known{}), ErrorCode::kInvalid) << "empty, and more to come";
  EXPECT_EQ(code(Known{{}, true}), std::nullopt);
  EXPECT_EQ(code(Known{{KnownRecord{.evidence = Evidence::kPredicted}}, true}),
            ErrorCode::kInvalid);
  EXPECT_EQ(code(Known{std::vector<KnownRecord>(kMaxKnownRecords + 1), true}), ErrorCode::kLimit);
  Hello hello;
  EXPECT_EQ(code(hello), ErrorCode::kInvalid) << "no boot id";
  hello.boot_id.bytes[0] = std::byte{1};
  EXPECT_EQ(code(hello), std::nullopt);
  hello.agent_version = std::string(kMaxAgentVersionBytes + 1, 'v');
  EXPECT_EQ(code(hello), ErrorCode::kInvalid);
  hello.agent_version = "1\n";
  EXPECT_EQ(code(hello), ErrorCode::kInvalid);
  hello.agent_version = "1";
  hello.page_size = 8192;
  EXPECT_EQ(code(hello), ErrorCode::kInvalid);
}

TEST(Codec, SaysWhenTheBufferIsTooSmall) {
  std::array<std::byte, kHeaderBytes + 11> room{};
  const auto frame = EncodeFrame(Sync{}, Nonce{1}, 1, room);
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().code, ErrorCode::kLimit);
  EXPECT_FALSE(EncodeFrame(Ping{}, Nonce{1}, 1, std::span(room).first(kHeaderBytes - 1)));
  EXPECT_TRUE(EncodeFrame(Ping{}, Nonce{1}, 1, std::span(room).first(kHeaderBytes)));
}

TEST(Codec, CutsLongListsInOrder) {
  Poison poison;
  for (std::uint64_t id = 1; id <= 2 * kMaxPoisonEntries + 1; ++id)
    poison.entries.push_back({.id = id});
  const auto parts = SplitToFit(poison);
  ASSERT_EQ(parts.size(), 3u);
  std::uint64_t next = 1;
  for (const Poison& part : parts) {
    EXPECT_TRUE(EncodeFrame(part, Nonce{1}, 1));
    for (const PoisonEntry& entry : part.entries) EXPECT_EQ(entry.id, next++);
  }
  EXPECT_EQ(next, poison.entries.size() + 1);
  EXPECT_TRUE(SplitToFit(Poison{}).empty());
}

TEST(Codec, TheAnswerToARecallEndsWithItsLastFrameAlone) {
  const auto nothing = KnownAnswer({});
  ASSERT_EQ(nothing.size(), 1u);
  EXPECT_TRUE(nothing[0].last);
  const auto answer = KnownAnswer(std::vector<KnownRecord>(kMaxKnownRecords + 1));
  ASSERT_EQ(answer.size(), 2u);
  EXPECT_FALSE(answer[0].last);
  EXPECT_TRUE(answer[1].last);
  EXPECT_EQ(answer[0].records.size() + answer[1].records.size(), kMaxKnownRecords + 1);
}

TEST(Codec, AHugeCountAllocatesNothing) {
  std::vector<std::byte> payload(8, std::byte{0});
  payload[0] = payload[1] = std::byte{0xff};
  for (const auto type :
       {MessageType::kPoison, MessageType::kClear, MessageType::kVerdict, MessageType::kKnown})
    EXPECT_FALSE(DecodePayload(type, payload));
}

}  // namespace
}  // namespace seaward::protocol
