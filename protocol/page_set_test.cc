#include "protocol/page_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace seaward::protocol {
namespace {

ByteRange Pages(std::uint64_t first, std::uint64_t count) {
  return ByteRange::Make(GuestPhysAddr{first * kPoisonGranule}, count * kPoisonGranule).value();
}

PageSet SetOf(const std::set<std::uint64_t>& pages) {
  PageSet set;
  for (const std::uint64_t page : pages) set.Insert(Pages(page, 1));
  return set;
}

// Any history of insertions and removals ends like a plain set of pages, digest included.
RC_GTEST_PROP(PageSet, EqualsAPlainSetWhateverItsHistory, ()) {
  PageSet set;
  std::set<std::uint64_t> model;
  const auto steps = *rc::gen::inRange(0, 60);
  for (int i = 0; i < steps; ++i) {
    const auto first = *rc::gen::inRange<std::uint64_t>(0, 40);
    const auto count = *rc::gen::inRange<std::uint64_t>(1, 8);
    const bool insert = *rc::gen::arbitrary<bool>();
    if (insert)
      set.Insert(Pages(first, count));
    else
      set.Erase(Pages(first, count));
    for (std::uint64_t page = first; page < first + count; ++page) {
      if (insert)
        model.insert(page);
      else
        model.erase(page);
    }
  }
  const PageSet expected = SetOf(model);
  RC_ASSERT(set.ranges() == expected.ranges());
  RC_ASSERT(set.digest() == expected.digest());
  RC_ASSERT(set.entries() == expected.entries());
  RC_ASSERT(set.total_bytes() == model.size() * kPoisonGranule);
  for (std::uint64_t page = 0; page < 48; ++page)
    RC_ASSERT(set.Contains(Pages(page, 1)) == model.contains(page));
}

TEST(PageSet, TouchingRangesMerge) {
  PageSet set;
  set.Insert(Pages(0, 1));
  set.Insert(Pages(2, 1));
  EXPECT_EQ(set.entries(), 2u);
  set.Insert(Pages(1, 1));
  EXPECT_EQ(set.ranges(), std::vector<ByteRange>{Pages(0, 3)});
  EXPECT_TRUE(set.Contains(Pages(0, 3)));
  EXPECT_FALSE(set.Contains(Pages(0, 4)));
}

TEST(PageSet, DigestsOfDifferentSetsDiffer) {
  std::set<std::uint64_t> seen{PageSet().digest()};
  EXPECT_EQ(PageSet().digest(), 0u);
  for (std::uint64_t first = 0; first < 100; ++first) {
    for (std::uint64_t count = 1; count <= 20; ++count) {
      PageSet set;
      set.Insert(Pages(first, count));
      EXPECT_TRUE(seen.insert(set.digest()).second) << first << "+" << count;
    }
  }
}

TEST(PageSet, HoldsTheVeryTopOfTheAddressSpace) {
  PageSet set;
  const auto top = ByteRange::Make(GuestPhysAddr{0xfffffffffffff000}, 4096).value();
  set.Insert(top);
  EXPECT_TRUE(set.Contains(top));
  set.Insert(top);
  EXPECT_EQ(set.entries(), 1u);
  set.Erase(top);
  EXPECT_EQ(set.digest(), 0u);
  EXPECT_EQ(set.total_bytes(), 0u);
}

}  // namespace
}  // namespace seaward::protocol
