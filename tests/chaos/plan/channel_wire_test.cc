// The wire: what arrives of what was said.
#include "tests/chaos/plan/channel_wire.h"

#include <gtest/gtest.h>

namespace seaward::chaos {
namespace {

TEST(ChannelWire, PassesOnWhatItTakes) {
  ChannelWire wire;
  wire.Takes("abc");
  wire.Takes("def");
  EXPECT_EQ(wire.waiting(), "abcdef");
  wire.Delivered(4);
  EXPECT_EQ(wire.waiting(), "ef");
}

TEST(ChannelWire, LosesJustSoManyBytes) {
  ChannelWire wire;
  wire.LoseNext(4);
  wire.Takes("abc");
  EXPECT_EQ(wire.waiting(), "");
  wire.Takes("def");
  EXPECT_EQ(wire.waiting(), "ef");
}

TEST(ChannelWire, RepeatsTheNewestOfAllThatItEverTook) {
  ChannelWire wire;
  wire.Takes(std::string(ChannelWire::kHistory, 'x'));
  wire.Takes("end");
  wire.Cut();
  EXPECT_EQ(wire.waiting(), "");
  wire.RepeatHistory();
  EXPECT_EQ(wire.waiting().size(), ChannelWire::kHistory);
  EXPECT_TRUE(wire.waiting().ends_with("xend"));
}

TEST(ChannelWire, SaysWhatItIsToldBetweenTheOthers) {
  ChannelWire wire;
  wire.Takes("ab");
  wire.Injects("!");
  wire.Takes("cd");
  EXPECT_EQ(wire.waiting(), "ab!cd");
}

}  // namespace
}  // namespace seaward::chaos
