// Orders are read as they were written.
#include "tests/chaos/plan/vmm_orders.h"

#include <gtest/gtest.h>

namespace seaward::chaos {
namespace {

TEST(VmmOrders, AreReadAsTheyWereWritten) {
  auto order = ParseVmmOrder(GarbageOrder(Towards::kHost, std::string("\x00\xffS", 3)));
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(order->kind, VmmOrder::Kind::kGarbage);
  EXPECT_EQ(order->towards, Towards::kHost);
  EXPECT_EQ(order->bytes, std::string("\x00\xffS", 3));

  order = ParseVmmOrder(LoseOrder(Towards::kGuest, 77));
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(order->kind, VmmOrder::Kind::kLose);
  EXPECT_EQ(order->towards, Towards::kGuest);
  EXPECT_EQ(order->count, 77U);

  order = ParseVmmOrder(RepeatOrder(Towards::kGuest));
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(order->kind, VmmOrder::Kind::kRepeat);

  order = ParseVmmOrder(CutOrder());
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(order->kind, VmmOrder::Kind::kCut);

  order = ParseVmmOrder(PublishOrder({0x4711000}, 2));
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(order->kind, VmmOrder::Kind::kPublish);
  EXPECT_EQ(order->page.value, 0x4711000U);
  EXPECT_EQ(order->vcpu, 2U);
}

TEST(VmmOrders, CarryAVerdict) {
  const FalseVerdict lie{9, ByteRange::Granule({0x5000}), protocol::Outcome::kNotRam, true};
  const auto order = ParseVmmOrder(VerdictOrder(lie));
  ASSERT_TRUE(order.has_value());
  EXPECT_EQ(order->kind, VmmOrder::Kind::kVerdict);
  EXPECT_EQ(order->verdict.entry, 9U);
  EXPECT_EQ(order->verdict.range, lie.range);
  EXPECT_EQ(order->verdict.outcome, lie.outcome);
  EXPECT_TRUE(order->verdict.of_this_session);
}

TEST(VmmOrders, ThatMakeNoSenseAreNone) {
  for (const char* line : {"", "lose", "lose sideways 3", "lose to_host", "publish 17 1",
                           "verdict 1 0x1000 0 1 1", "verdict 1 0x1000", "sing to_host 3"})
    EXPECT_FALSE(ParseVmmOrder(line).has_value()) << line;
}

}  // namespace
}  // namespace seaward::chaos
