#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/crc32c.h"
#include "guest-agent/journal/journal_file.h"
#include "guest-agent/journal/journal_writer.h"
#include "guest-agent/journal/page_journal.h"

namespace seaward::agent {
namespace {

using protocol::Evidence;
using protocol::Outcome;
using protocol::PageKind;
using protocol::Stage;
using protocol::VerdictRecord;
using testing::SizeIs;

Uuid Id(std::uint8_t n) {
  return Uuid{{std::byte{n}}};
}
ByteRange Pages(std::uint64_t n, std::uint64_t count = 1) {
  return ByteRange::Make(GuestPhysAddr{n * 4096}, count * 4096).value();
}
KeptVerdict Verdict(const ByteRange& range, Outcome outcome = Outcome::kRetired,
                    Evidence evidence = Evidence::kConsumed) {
  return {VerdictRecord{.id = 1,
                        .range = range,
                        .outcome = outcome,
                        .kind = PageKind::kFree,
                        .stage = Stage::kRun},
          evidence};
}
std::string Text(const std::vector<protocol::KnownRecord>& known) {
  std::string text;
  for (const auto& record : known)
    text += FormatAddress(record.range.start().value) + "+" + FormatAddress(record.range.length()) +
            " " + std::string(ToString(record.evidence)) + (record.this_boot ? " now" : "") + "\n";
  return text;
}

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    char name[] = "/tmp/swjXXXXXX";
    root_ = ::mkdtemp(name);
    path_ = root_ + "/lib/journal";
  }
  ~JournalTest() override { std::filesystem::remove_all(root_); }

  std::string root_;
  std::string path_;
};

TEST_F(JournalTest, WhatWasSavedIsRead) {
  PageJournal journal(Id(1), Id(9));
  EXPECT_FALSE(journal.BackedBy(Id(2)));
  EXPECT_TRUE(journal.Add(Verdict(Pages(7), Outcome::kInKernel)));
  EXPECT_TRUE(journal.Add(Verdict(Pages(3, 2))));
  ASSERT_TRUE(SaveJournal(path_, journal.Content()));
  const auto loaded = LoadJournal(path_);
  ASSERT_TRUE(loaded && loaded->content);
  EXPECT_EQ(*loaded->content, journal.Content());
  EXPECT_THAT(loaded->content->entries, SizeIs(2));
}

TEST_F(JournalTest, VersionOneIsReadAsLatentAndOfThisMemory) {
  PageJournal journal(Id(1), Id(9));
  ASSERT_TRUE(journal.Add(Verdict(Pages(7))));
  auto bytes = EncodeJournal(journal.Content());
  bytes[4] = std::byte{kFirstJournalVersion};
  bytes[kJournalHeaderBytes + 22] = std::byte{0};  // no evidence
  const auto seal = [&bytes] {
    const std::uint32_t crc = Crc32c(std::span(bytes).first(bytes.size() - 4));
    for (unsigned i = 0; i < 4; ++i)
      bytes[bytes.size() - 4 + i] = static_cast<std::byte>(crc >> (8 * i));
  };
  seal();
  const auto read = DecodeJournal(bytes);
  ASSERT_TRUE(read) << read.error().Text();
  ASSERT_THAT(read->entries, SizeIs(1));
  EXPECT_EQ(read->entries[0].evidence, Evidence::kLatent);
  bytes[4] = std::byte{kJournalVersion};
  seal();
  EXPECT_FALSE(DecodeJournal(bytes)) << "version 2 says which";
}

// What a host that lost its ledger is told.
TEST_F(JournalTest, KnownPagesAreMergedByEvidenceAndBoot) {
  PageJournal before(Id(1), Id(8));
  before.BackedBy(Id(2));
  ASSERT_TRUE(before.Add(Verdict(Pages(1))));
  ASSERT_TRUE(before.Add(Verdict(Pages(2), Outcome::kInKernel)));
  PageJournal now(Id(1), Id(9));
  ASSERT_EQ(now.Adopt(before.Content()), JournalOrigin::kThisMachine);
  ASSERT_TRUE(now.Add(Verdict(Pages(3))));
  ASSERT_TRUE(now.Add(Verdict(Pages(4), Outcome::kRetired, Evidence::kLatent)));
  const ByteRange attempted[] = {Pages(2), Pages(8), Pages(9)};  // 2 by the early stage
  EXPECT_EQ(Text(now.KnownPages(attempted)),
            "0x1000+0x1000 consumed\n0x2000+0x2000 consumed now\n"
            "0x4000+0x1000 latent now\n0x8000+0x2000 latent now\n");
}

TEST_F(JournalTest, WhatTheEarlyStageDidIsOfThisBootAndHasTheReasonOfBefore) {
  PageJournal before(Id(1), Id(8));
  before.BackedBy(Id(2));
  ASSERT_TRUE(before.Add(Verdict(Pages(4, 2))));
  PageJournal now(Id(1), Id(9));
  now.Adopt(before.Content());
  for (const ByteRange& page : {Pages(5), Pages(7)})
    EXPECT_TRUE(now.Recollect(Verdict(page).record));
  EXPECT_EQ(Text(now.KnownPages({})),
            "0x4000+0x1000 consumed\n0x5000+0x1000 consumed now\n0x7000+0x1000 latent now\n");
}

TEST_F(JournalTest, WhatTheJournalSaysOfThisBootIsNotRecollected) {
  PageJournal journal(Id(1), Id(9));
  journal.BackedBy(Id(2));
  ASSERT_TRUE(journal.Add(Verdict(Pages(5))));
  journal.BackedBy(Id(3));
  journal.MarkSaved();
  EXPECT_TRUE(journal.Recollect(Verdict(Pages(5)).record));
  EXPECT_FALSE(journal.changed());
  EXPECT_EQ(Text(journal.KnownPages({})), "") << "it is of the memory before the migration";
}

TEST_F(JournalTest, AnAttemptOnALargerPageAroundAnEntryIsTheEntrys) {
  PageJournal journal(Id(1), Id(9));
  ASSERT_TRUE(journal.Add(Verdict(Pages(5))));
  const ByteRange attempted[] = {Pages(0, 16)};
  EXPECT_EQ(Text(journal.KnownPages(attempted)), "0x5000+0x1000 consumed now\n");
}

TEST_F(JournalTest, WhatWasRetiredBeforeAMigrationIsNotKnownOfTheNewMemory) {
  PageJournal journal(Id(1), Id(9));
  journal.BackedBy(Id(2));
  ASSERT_TRUE(journal.Add(Verdict(Pages(5))));
  journal.BackedBy(Id(3));
  ASSERT_TRUE(journal.Add(Verdict(Pages(7))));
  const ByteRange attempted[] = {Pages(5), Pages(7)};
  EXPECT_EQ(Text(journal.KnownPages(attempted)), "0x7000+0x1000 consumed now\n");
  ASSERT_TRUE(SaveJournal(path_, journal.Content()));
  const auto loaded = LoadJournal(path_);
  ASSERT_TRUE(loaded && loaded->content);
  PageJournal same_boot(Id(1), Id(9));
  same_boot.Adopt(*loaded->content);
  EXPECT_EQ(same_boot.size(), 2u);
  EXPECT_EQ(Text(same_boot.KnownPages(attempted)), "0x7000+0x1000 consumed now\n");
  PageJournal next_boot(Id(1), Id(10));
  next_boot.Adopt(*loaded->content);
  EXPECT_EQ(next_boot.size(), 1u) << "good memory for the next boot";
}

TEST_F(JournalTest, NoFileIsNoJournal) {
  const auto loaded = LoadJournal(path_);
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->content);
  EXPECT_FALSE(loaded->set_aside);
}

TEST_F(JournalTest, ATornOrDamagedFileIsSetAsideAtEveryCutAndEveryByte) {
  PageJournal journal(Id(1), Id(9));
  ASSERT_TRUE(journal.Add(Verdict(Pages(7))));
  const auto good = EncodeJournal(journal.Content());
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_FALSE(DecodeJournal(std::span(good).first(cut))) << cut;
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto damaged = good;
    damaged[at] ^= std::byte{1};
    EXPECT_FALSE(DecodeJournal(damaged)) << at;
  }
  std::filesystem::create_directories(root_ + "/lib");
  std::ofstream(path_) << "half a journ";
  const auto loaded = LoadJournal(path_);
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->set_aside);
  EXPECT_TRUE(std::filesystem::exists(path_ + ".corrupt"));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(JournalTest, AnotherMachinesListIsIgnored) {
  PageJournal golden(Id(1), Id(9));
  ASSERT_TRUE(golden.Add(Verdict(Pages(7))));
  PageJournal copy(Id(2), Id(9));
  EXPECT_EQ(copy.Adopt(golden.Content()), JournalOrigin::kAnotherMachine);
  EXPECT_EQ(copy.size(), 0u);
  PageJournal unknown(Uuid{}, Id(9));
  EXPECT_EQ(unknown.Adopt(golden.Content()), JournalOrigin::kThisMachine);
}

TEST_F(JournalTest, VerdictsOfAnEarlierBootAreMarked) {
  PageJournal before(Id(1), Id(8));
  ASSERT_TRUE(before.Add(Verdict(Pages(7))));
  PageJournal now(Id(1), Id(9));
  ASSERT_EQ(now.Adopt(before.Content()), JournalOrigin::kThisMachine);
  EXPECT_FALSE(now.Content().entries.at(0).this_boot);
  ASSERT_TRUE(now.Add(Verdict(Pages(7))));
  EXPECT_TRUE(now.Content().entries.at(0).this_boot);
}

TEST_F(JournalTest, OtherMemoryBehindTheGuestDropsTheOldPages) {
  PageJournal before(Id(1), Id(8));
  (void)before.BackedBy(Id(20));
  ASSERT_TRUE(before.Add(Verdict(Pages(7))));
  PageJournal now(Id(1), Id(9));
  ASSERT_EQ(now.Adopt(before.Content()), JournalOrigin::kThisMachine);
  EXPECT_FALSE(now.BackedBy(Id(20)));
  EXPECT_EQ(now.size(), 1u);
  EXPECT_TRUE(now.BackedBy(Id(21)));
  EXPECT_EQ(now.size(), 0u);
  EXPECT_TRUE(now.changed());
}

TEST_F(JournalTest, ARepeatedVerdictIsNoChange) {
  PageJournal journal(Id(1), Id(9));
  ASSERT_TRUE(journal.Add(Verdict(Pages(7))));
  journal.MarkSaved();
  ASSERT_TRUE(journal.Add(Verdict(Pages(7))));
  EXPECT_FALSE(journal.changed());
}

TEST_F(JournalTest, OverlappingVerdictsReplaceOnlyWhatTheyCover) {
  PageJournal journal(Id(1), Id(9));
  ASSERT_TRUE(journal.Add(Verdict(Pages(3, 4))));
  ASSERT_TRUE(journal.Add(Verdict(Pages(4, 2), Outcome::kInKernel)));
  const auto content = journal.Content();
  ASSERT_THAT(content.entries, SizeIs(3));
  EXPECT_EQ(content.entries[0].range, Pages(3));
  EXPECT_EQ(content.entries[1].range, Pages(4, 2));
  EXPECT_EQ(content.entries[1].outcome, Outcome::kInKernel);
  EXPECT_EQ(content.entries[2].range, Pages(6));
  EXPECT_TRUE(DecodeJournal(EncodeJournal(content)));
  journal.Forget(Pages(0, 100));
  EXPECT_EQ(journal.size(), 0u);
}

TEST_F(JournalTest, TheWriterSavesTheNewestContentBeforeItEnds) {
  int saved = 0;
  {
    JournalWriter writer(path_, [&saved](const Status& status, const JournalContent&) {
      saved += status ? 1 : 1000;
    });
    for (std::uint64_t n = 0; n < 50; ++n) {
      PageJournal journal(Id(1), Id(9));
      ASSERT_TRUE(journal.Add(Verdict(Pages(n))));
      writer.Save(journal.Content());
    }
  }
  EXPECT_GE(saved, 1);
  EXPECT_LE(saved, 50);
  const auto loaded = LoadJournal(path_);
  ASSERT_TRUE(loaded && loaded->content);
  EXPECT_EQ(loaded->content->entries.at(0).range, Pages(49));
}

TEST_F(JournalTest, TheWriterReportsADiskThatRefuses) {
  bool refused = false;
  {
    JournalWriter writer("/proc/nowhere/journal",
                         [&refused](const Status& s, const JournalContent&) { refused = !s; });
    writer.Save(PageJournal(Id(1), Id(9)).Content());
  }
  EXPECT_TRUE(refused);
}

TEST_F(JournalTest, IsBounded) {
  PageJournal journal(Id(1), Id(9));
  for (std::uint64_t n = 0; n < kJournalMaxEntries; ++n)
    ASSERT_TRUE(journal.Add(Verdict(Pages(2 * n))));
  EXPECT_FALSE(journal.Add(Verdict(Pages(2 * kJournalMaxEntries))));
  EXPECT_TRUE(journal.Add(Verdict(Pages(0), Outcome::kAlreadyRetired)));
  EXPECT_LE(EncodeJournal(journal.Content()).size(), kJournalMaxBytes);
}

}  // namespace
}  // namespace seaward::agent
