// The book: what must be true of the memory, whatever was done.
#include "tests/chaos/plan/book.h"

#include <gtest/gtest.h>

namespace seaward::chaos {
namespace {

ByteRange At(std::uint64_t page, std::uint64_t pages = 1) {
  return ByteRange::Make({page * kPoisonGranule}, pages * kPoisonGranule).value();
}

constexpr auto kAllOnRecord = [](const Fact&) { return true; };

TEST(Book, NotesAPlaceOnce) {
  Book book;
  book.Consumed(At(10, 4));
  book.Consumed(At(12));
  book.Consumed(At(20));
  ASSERT_EQ(book.facts().size(), 2U);
  EXPECT_EQ(book.facts()[0].range, At(10, 4));
  EXPECT_TRUE(book.Touches(At(13, 5)));
  EXPECT_FALSE(book.Touches(At(14, 6)));
}

TEST(Book, ForgetsCorrectedErrorsWithTheBootUnlessTheyBecameReal) {
  Book book;
  book.Predicted(At(1));
  book.Predicted(At(2));
  book.Consumed(At(2));
  book.NewBoot(kAllOnRecord);
  ASSERT_EQ(book.facts().size(), 1U);
  EXPECT_EQ(book.facts()[0].range, At(2));
  EXPECT_FALSE(book.facts()[0].predicted);
}

TEST(Book, KnowsWhatWasOnRecordWhenTheBootBegan) {
  Book book;
  book.Consumed(At(1));
  book.Consumed(At(2));
  book.NewBoot([](const Fact& fact) { return fact.range == At(2); });
  EXPECT_FALSE(book.facts()[0].before_boot);
  EXPECT_TRUE(book.facts()[1].before_boot);
  book.Consumed(At(3));
  EXPECT_FALSE(book.facts()[2].before_boot);
}

TEST(Book, BelievesAGuestAgainAfterItsNextBoot) {
  Book book;
  book.Consumed(At(1));
  book.LiedAbout(At(1));
  EXPECT_TRUE(book.facts()[0].lied_about);
  book.NewBoot(kAllOnRecord);
  EXPECT_FALSE(book.facts()[0].lied_about);
}

TEST(Book, ExpectsGoodMemoryBehindANewVmm) {
  Book book;
  book.Consumed(At(1));
  book.Predicted(At(2));
  book.NewMemory();
  EXPECT_TRUE(book.facts().empty());
  ASSERT_EQ(book.once_bad().size(), 1U);
  EXPECT_EQ(book.once_bad()[0], At(1).start());
  EXPECT_TRUE(book.Touches(At(1))) << "not picked again: it would prove nothing";
  book.Consumed(At(1));  // chance put a process there
  EXPECT_TRUE(book.once_bad().empty());
}

}  // namespace
}  // namespace seaward::chaos
