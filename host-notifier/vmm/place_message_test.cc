#include "host-notifier/vmm/place_message.h"

#include <gtest/gtest.h>

#include <vector>

namespace seaward::vmm {
namespace {

std::vector<std::byte> Bytes(const auto& message) {
  return {message.begin(), message.end()};
}

TEST(PlaceMessage, QuestionsAndAnswersTravelUnchanged) {
  const auto question = DecodePlaceQuestion(EncodePlaceQuestion({7, HostVirtAddr{0x7f0000001000}}));
  ASSERT_TRUE(question) << question.error().Text();
  EXPECT_EQ(question->id, 7u);
  EXPECT_EQ(question->host.value, 0x7f0000001000u);
  const auto found = DecodePlaceAnswer(EncodePlaceAnswer({7, GuestPhysAddr{0x40001000}}));
  ASSERT_TRUE(found) << found.error().Text();
  EXPECT_EQ(found->id, 7u);
  EXPECT_EQ(found->guest, GuestPhysAddr{0x40001000});
  const auto zero = DecodePlaceAnswer(EncodePlaceAnswer({8, GuestPhysAddr{0}}));
  ASSERT_TRUE(zero);
  EXPECT_EQ(zero->guest, GuestPhysAddr{0}) << "a place like any other";
  const auto nowhere = DecodePlaceAnswer(EncodePlaceAnswer({9, std::nullopt}));
  ASSERT_TRUE(nowhere);
  EXPECT_EQ(nowhere->guest, std::nullopt);
}

TEST(PlaceMessage, AnythingElseIsRefused) {
  const auto question = Bytes(EncodePlaceQuestion({7, HostVirtAddr{0x1000}}));
  const auto answer = Bytes(EncodePlaceAnswer({7, std::nullopt}));
  for (std::size_t size = 0; size < question.size(); ++size)
    EXPECT_FALSE(DecodePlaceQuestion(std::span(question).first(size)));
  for (std::size_t at = 0; at < 8; ++at) {  // magic, version, flags
    auto wrong = question;
    wrong[at] ^= std::byte{0x40};
    EXPECT_FALSE(DecodePlaceQuestion(wrong)) << at;
    wrong = answer;
    wrong[at] ^= std::byte{0x40};
    EXPECT_FALSE(DecodePlaceAnswer(wrong)) << at;
  }
  auto placeless = answer;
  placeless.back() = std::byte{1};
  EXPECT_FALSE(DecodePlaceAnswer(placeless)) << "an address that it says it has not found";
  EXPECT_FALSE(DecodePlaceAnswer(question));
}

}  // namespace
}  // namespace seaward::vmm
