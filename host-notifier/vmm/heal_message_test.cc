#include "host-notifier/vmm/heal_message.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace seaward::vmm {
namespace {

constexpr HealOrder kOrder{7, GuestPhysAddr{0x40711000}, HostVirtAddr{0x7f0000001000},
                           HealWhen::kAtReset};

TEST(HealMessage, OrdersAndAnswersComeThrough) {
  const auto order = DecodeHealOrder(EncodeHealOrder(kOrder));
  ASSERT_TRUE(order) << order.error().Text();
  EXPECT_EQ(order->id, kOrder.id);
  EXPECT_EQ(order->page, kOrder.page);
  EXPECT_EQ(order->host, kOrder.host);
  EXPECT_EQ(order->when, kOrder.when);
  for (const HealResult result : {HealResult::kReplaced, HealResult::kStanding,
                                  HealResult::kNotMapped, HealResult::kFailed}) {
    const auto answer = DecodeHealAnswer(EncodeHealAnswer({9, result}));
    ASSERT_TRUE(answer) << answer.error().Text();
    EXPECT_EQ(answer->id, 9u);
    EXPECT_EQ(answer->result, result);
  }
}

// Any change of the header or of what is reserved.
TEST(HealMessage, NothingElseIsUnderstood) {
  const auto order = EncodeHealOrder(kOrder);
  const auto answer = EncodeHealAnswer({9, HealResult::kReplaced});
  for (std::size_t i = 0; i < 8; ++i) {
    auto odd_order = order;
    odd_order[i] ^= std::byte{0x40};
    EXPECT_FALSE(DecodeHealOrder(odd_order)) << i;
    auto odd_answer = answer;
    odd_answer[i] ^= std::byte{0x40};
    EXPECT_FALSE(DecodeHealAnswer(odd_answer)) << i;
  }
  for (std::size_t size = 0; size < order.size(); ++size)
    EXPECT_FALSE(DecodeHealOrder(std::span(order).first(size))) << size;
  for (std::size_t size = 0; size < answer.size(); ++size)
    EXPECT_FALSE(DecodeHealAnswer(std::span(answer).first(size))) << size;
  EXPECT_FALSE(DecodeHealOrder(answer));
}

TEST(HealMessage, EveryRefusalHasAWordOfItsOwn) {
  std::set<std::string_view> words;
  for (const HealResult refusal : kAllHealRefusals) words.insert(ToString(refusal));
  EXPECT_EQ(words.size(), std::size(kAllHealRefusals));
}

}  // namespace
}  // namespace seaward::vmm
