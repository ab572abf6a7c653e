#include "guest-agent/preboot/list_file.h"

#include "guest-agent/preboot/boot_root_fixture.h"
#include "guest-agent/preboot/grub_list.h"
#include "guest-agent/preboot/list_keeper.h"

namespace seaward::agent {
namespace {

constexpr Uuid kIncarnation{{std::byte{7}}};

class ListFileTest : public BootRoot {
 protected:
  static JournalContent JournalOf(const std::vector<std::uint64_t>& pages) {
    JournalContent journal{kMachine, kIncarnation, Uuid{}, {}};
    for (const std::uint64_t page : pages)
      journal.entries.push_back(JournalEntry{.range = ByteRange::Granule(GuestPhysAddr{page}),
                                             .outcome = protocol::Outcome::kRetired});
    return journal;
  }
  Status Keep(const JournalContent& journal) {
    Holds("/proc/iomem", "40000000-5fffffff : System RAM\n60000000-60000fff : reserved\n");
    return keeper_.Keep(journal);
  }

  ListKeeper keeper_{{places_.list, root_ + "/proc", root_ + "/sys"}, PlanLimits{}, log_};
};

TEST_F(ListFileTest, TheKeeperWritesWhatTheJournalHolds) {
  ASSERT_TRUE(Keep(JournalOf({0x48000000, 0x48001000})));
  const auto list = LoadList(places_.list);
  ASSERT_TRUE(list) << list.error().Text();
  EXPECT_EQ(list->machine, kMachine);
  EXPECT_EQ(list->incarnation, kIncarnation);
  EXPECT_EQ(list->ranges, (std::vector<nextboot::ListedRange>{{0x48000000, 2, 0}}));
  EXPECT_TRUE(sink_.Says("event=next_boot_list ranges=1 pages=2 left_out=0"));
}

TEST_F(ListFileTest, EntriesGoWithTheMemoryThatTheyWereOf) {
  ASSERT_TRUE(Keep(JournalOf({0x48000000})));
  JournalContent journal = JournalOf({});
  journal.incarnation = Uuid{{std::byte{8}}};
  ASSERT_TRUE(Keep(journal));
  EXPECT_TRUE(LoadList(places_.list)->ranges.empty());
  EXPECT_EQ(LoadList(places_.list)->incarnation, journal.incarnation);
}

TEST_F(ListFileTest, AnUnchangedListIsNotWrittenAgainNorSaidAgain) {
  ASSERT_TRUE(Keep(JournalOf({0x48000000, 0x60000000})));
  const auto when = std::filesystem::last_write_time(places_.list);
  const std::size_t lines = sink_.lines.size();
  EXPECT_TRUE(sink_.Says("event=next_boot_left_out why=firmware ranges=1 first=0x60000000"));
  ASSERT_TRUE(Keep(JournalOf({0x48000000, 0x60000000})));
  EXPECT_EQ(std::filesystem::last_write_time(places_.list), when);
  EXPECT_EQ(sink_.lines.size(), lines);
}

TEST_F(ListFileTest, APageThatTheLastListKeptAwayStaysListed) {
  ASSERT_TRUE(SaveList(places_.list, {kMachine, kIncarnation, {{0x60000000, 1, 0}}}));
  ASSERT_TRUE(Keep(JournalOf({0x60000000})));
  EXPECT_EQ(LoadList(places_.list)->ranges.size(), 1U);
  // Another machine's list says nothing about this one.
  ASSERT_TRUE(SaveList(places_.list, {Uuid{{std::byte{9}}}, {}, {{0x60000000, 1, 0}}}));
  ASSERT_TRUE(Keep(JournalOf({0x60000000})));
  EXPECT_TRUE(LoadList(places_.list)->ranges.empty());
}

TEST_F(ListFileTest, AMachineWithoutANameHasNoList) {
  JournalContent journal = JournalOf({0x48000000});
  journal.machine = Uuid{};
  ASSERT_TRUE(Keep(journal));
  EXPECT_FALSE(Has("/lib/next-boot"));
}

TEST_F(ListFileTest, WithoutIomemTheListStaysAsItIs) {
  ASSERT_TRUE(Keep(JournalOf({0x48000000})));
  Holds("/proc/iomem", "00000000-00000000 : System RAM\n");
  EXPECT_FALSE(keeper_.Keep(JournalOf({})));
  EXPECT_EQ(LoadList(places_.list)->ranges.size(), 1U);
}

TEST_F(ListFileTest, ADamagedFileIsReplaced) {
  Holds("/lib/next-boot", "not a list");
  EXPECT_EQ(LoadList(places_.list).error().code, ErrorCode::kCorrupt);
  Holds("/lib/next-boot", std::string(1 << 16, 'x'));
  EXPECT_EQ(LoadList(places_.list).error().code, ErrorCode::kCorrupt);
  ASSERT_TRUE(Keep(JournalOf({0x48000000})));
  EXPECT_TRUE(LoadList(places_.list));
}

TEST(GrubList, StopsAtWhatOneLineOfBadramTakes) {
  const GrubList grub =
      RenderGrubList({Uuid{{std::byte{5}}}, {}, {{0x40000000, 150, 0}, {0x50000000, 100, 0}}});
  EXPECT_EQ(grub.pages, kGrubMaxPages);
  EXPECT_EQ(grub.left_out, 50U);
  std::size_t masks = 0;
  for (auto at = grub.text.find("0x7ffffffffffff000"); at != std::string::npos;
       at = grub.text.find("0x7ffffffffffff000", at + 1))
    ++masks;
  EXPECT_EQ(masks, kGrubMaxPages);
}

TEST(GrubList, AnEmptyListNamesNoPage) {
  const GrubList grub = RenderGrubList({});
  EXPECT_EQ(grub.text.find("badram "), std::string::npos);
}

}  // namespace
}  // namespace seaward::agent
