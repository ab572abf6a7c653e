#include "host-notifier/app/page_book.h"

#include <gtest/gtest.h>

namespace seaward {
namespace {

using protocol::Evidence;

ByteRange Page(std::uint64_t gpa) {
  return ByteRange::Granule(GuestPhysAddr{gpa});
}

TEST(PageBook, TellsTheGuestOfANewPageOnce) {
  PageBook book;
  const auto first = book.Note(Page(0x5000), Evidence::kConsumed, 7);
  EXPECT_TRUE(first.tell_guest);
  EXPECT_EQ(7u, first.entry.id);
  const auto again = book.Note(Page(0x5000), Evidence::kConsumed, 8);
  EXPECT_FALSE(again.tell_guest);
  EXPECT_EQ(7u, again.entry.id);
}

TEST(PageBook, TellsTheGuestAgainWhenThePageIsWorseThanItKnows) {
  PageBook book;
  book.Note(Page(0x5000), Evidence::kPredicted, 7);
  const auto worse = book.Note(Page(0x5000), Evidence::kConsumed, 8);
  EXPECT_TRUE(worse.tell_guest);
  EXPECT_EQ(7u, worse.entry.id);
  EXPECT_EQ(Evidence::kConsumed, worse.entry.evidence);
  EXPECT_FALSE(book.Note(Page(0x5000), Evidence::kLatent, 9).tell_guest);
}

TEST(PageBook, FindsThePageInsideAWiderEntry) {
  PageBook book;
  book.Note(*ByteRange::Make(GuestPhysAddr{0x200000}, 0x200000), Evidence::kConsumed, 1);
  EXPECT_EQ(1u, book.Note(Page(0x3ff000), Evidence::kConsumed, 2).entry.id);
  EXPECT_EQ(3u, book.Note(Page(0x400000), Evidence::kConsumed, 3).entry.id);
  EXPECT_EQ(4u, book.Note(Page(0x1ff000), Evidence::kConsumed, 4).entry.id);
}

TEST(PageBook, NewBootReplaysAllButWhatWasOnlyPredicted) {
  PageBook book;
  book.Note(Page(0x1000), Evidence::kConsumed, 1);
  book.Note(Page(0x2000), Evidence::kPredicted, 2);
  book.StartNewBoot();
  const auto wanted = book.Wanted();
  ASSERT_EQ(1u, wanted.size());
  EXPECT_EQ(1u, wanted[0].id);
  EXPECT_TRUE(wanted[0].replay);
  EXPECT_TRUE(book.Note(Page(0x2000), Evidence::kPredicted, 3).tell_guest);
}

TEST(PageBook, TheLedgersNameForAPageCounts) {
  PageBook book;
  book.Note(Page(0x5000), Evidence::kConsumed, 7);
  EXPECT_FALSE(book.Correct(7, {7, Page(0x5000), Evidence::kConsumed, false}));
  EXPECT_TRUE(book.Correct(7, {3, Page(0x5000), Evidence::kConsumed, false}));
  EXPECT_FALSE(book.Find(7));
  EXPECT_EQ(3u, book.Note(Page(0x5000), Evidence::kConsumed, 8).entry.id);
}

TEST(PageBook, LoadReplacesEverything) {
  PageBook book;
  book.Note(Page(0x5000), Evidence::kConsumed, 7);
  book.Load({{9, Page(0x6000), Evidence::kLatent, true}});
  EXPECT_FALSE(book.Find(7));
  EXPECT_EQ(9u, book.Note(Page(0x6000), Evidence::kLatent, 10).entry.id);
}

TEST(PageBook, LoadsInAnyOrderAndFindsTheNewestOfOneStart) {
  PageBook book;
  book.Load({{9, Page(0x6000), Evidence::kConsumed, false},
             {2, Page(0x8000), Evidence::kConsumed, false},
             {4, Page(0x6000), Evidence::kConsumed, false},
             {7, Page(0x2000), Evidence::kConsumed, false}});
  EXPECT_EQ(9u, book.Note(Page(0x6000), Evidence::kConsumed, 10).entry.id);
  EXPECT_EQ(7u, book.Note(Page(0x2000), Evidence::kConsumed, 10).entry.id);
  EXPECT_EQ(2u, book.Note(Page(0x8000), Evidence::kConsumed, 10).entry.id);
  ASSERT_EQ(4u, book.size());
  EXPECT_EQ(2u, book.Wanted().front().id);
}

}  // namespace
}  // namespace seaward
