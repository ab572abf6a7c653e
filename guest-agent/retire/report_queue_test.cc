#include "guest-agent/retire/report_queue.h"

#include <gtest/gtest.h>

namespace seaward::agent {
namespace {

using protocol::Evidence;
using protocol::PoisonEntry;

PoisonEntry Report(std::uint64_t id, std::uint64_t page) {
  return PoisonEntry{.id = id, .range = ByteRange::Granule(GuestPhysAddr{page * 4096})};
}

class ReportQueueTest : public testing::Test {
 protected:
  void Push(const PoisonEntry& entry) { queue_.Push(entry, entry.range.start()); }
  // More reports than there are buckets: most share one with another.
  static constexpr std::uint64_t kMany = 10000;
  ReportQueue queue_;
};

TEST_F(ReportQueueTest, KeepsTheOrderInWhichTheyCame) {
  Push(Report(7, 3));
  Push(Report(5, 9));
  EXPECT_EQ(queue_.front().entry.id, 7u);
  EXPECT_EQ(queue_.front().next, GuestPhysAddr{3 * 4096});
  queue_.Pop();
  EXPECT_EQ(queue_.front().entry.id, 5u);
  queue_.Pop();
  EXPECT_TRUE(queue_.empty());
}

TEST_F(ReportQueueTest, KnowsWhatWaitsAndNothingElse) {
  for (std::uint64_t i = 0; i < kMany; ++i) Push(Report(i, i));
  for (std::uint64_t i = 0; i < kMany; i += 97) {
    EXPECT_TRUE(queue_.Contains(Report(i, i)));
    EXPECT_FALSE(queue_.Contains(Report(i, i + 1)));
    EXPECT_FALSE(queue_.Contains(Report(kMany + i, i)));
    PoisonEntry worse = Report(i, i);
    worse.evidence = Evidence::kPredicted;
    EXPECT_FALSE(queue_.Contains(worse));
  }
}

TEST_F(ReportQueueTest, WhatLeftIsNotKnownAnyMore) {
  for (std::uint64_t i = 0; i < kMany; ++i) Push(Report(i, i));
  queue_.Pop();
  queue_.Forget(ByteRange::Make(GuestPhysAddr{500 * 4096}, 100 * 4096).value());
  EXPECT_EQ(queue_.size(), kMany - 101);
  EXPECT_FALSE(queue_.Contains(Report(0, 0)));
  EXPECT_FALSE(queue_.Contains(Report(500, 500)));
  EXPECT_FALSE(queue_.Contains(Report(599, 599)));
  EXPECT_TRUE(queue_.Contains(Report(600, 600)));
  while (!queue_.empty()) queue_.Pop();
  for (std::uint64_t i = 0; i < kMany; ++i) ASSERT_FALSE(queue_.Contains(Report(i, i)));
}

}  // namespace
}  // namespace seaward::agent
