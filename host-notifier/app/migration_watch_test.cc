#include "host-notifier/app/migration_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "host-notifier/classify/classify.h"
#include "host-notifier/loop/loop_fixture.h"

namespace seaward {
namespace {

using testing::HasSubstr;

const ledger::VmIdentity kVm{ParseUuid("c7a5fdbd-edaf-9455-926a-d65c16db1809").value(), "g1"};

TEST(MigrationJudgement, NothingKnownToBeBadIsSafe) {
  EXPECT_TRUE(JudgeMigration({}).safe);
  EXPECT_EQ(JudgeMigration({}).reason, "");
}

TEST(MigrationJudgement, EveryKindOfDoubtIsUnsafeAndSaysWhich) {
  const std::pair<MigrationFacts, const char*> doubts[] = {
      {{.unhealed = {1, 4096, 0}}, "1 page of bad memory (4096 bytes)"},
      {{.unhealed = {2, 8192, 0}}, "2 pages of bad memory"},
      {{.unhealed = {0, 0, 1}}, "1 memory error without a known place"},
      {{.unhealed = {}, .not_yet_recorded = 2}, "2 errors on the way"},
      {{.unhealed = {}, .not_yet_recorded = 0, .lost = 1}, "1 exit was lost"},
  };
  for (const auto& [facts, reason] : doubts) {
    EXPECT_FALSE(JudgeMigration(facts).safe) << reason;
    EXPECT_THAT(JudgeMigration(facts).reason, HasSubstr(reason));
  }
  EXPECT_FALSE(MigrationNotKnownYet().safe);
}

class FakeMarker final : public DomainMarker {
 public:
  void WriteMark(const Uuid&, const DomainMark& mark, std::function<void(Status)> done) override {
    marks.push_back(mark);
    if (holds) return held.push_back(std::move(done));
    done(fails ? Status(Fail(ErrorCode::kClosed, "libvirtd is out of reach")) : Status());
  }
  std::vector<DomainMark> marks;
  std::vector<std::function<void(Status)>> held;
  bool fails = false;
  bool holds = false;
};

class LinesSink final : public LogSink {
 public:
  void Write(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

class MigrationWatchTest : public LoopTest {
 protected:
  MigrationWatchTest() {
    char name[] = "/tmp/swmwXXXXXX";
    folder_ = ::mkdtemp(name);
    auto opened = ledger::Ledger::Open(folder_ + "/l.db", Uuid{}, clock_);
    incarnation_ = opened->ledger->BeginIncarnation(kVm, {4711, 88})->id;
    ledger_ =
        std::make_unique<LedgerThread>(loop_, std::move(opened->ledger), clock_,
                                       LedgerThread::Options{}, [](const std::optional<Error>&) {});
    watch_ = std::make_shared<MigrationWatch>(
        MigrationWatch::Parts{loop_, *ledger_, log_, &marker_}, kVm, [this] { return live_; },
        [this](const observe::MigrationState& state) { told_.push_back(state); });
  }
  ~MigrationWatchTest() override {
    watch_.reset();
    ledger_.reset();
    std::filesystem::remove_all(folder_);
  }
  void VmStarts() {
    watch_->Begin(incarnation_);
    RunUntil([this] { return !told_.empty(); });
  }
  void PageGoesBad(std::uint64_t gpa) {
    bool recorded = false;
    const PoisonEvent event =
        ClassifyReport(ByteRange::Granule(GuestPhysAddr{gpa}), protocol::Evidence::kLatent,
                       clock_.Now(), clock_.WallNow());
    ledger_->Write<ledger::RecordedEvent>(
        [this, event](ledger::Ledger& l) { return l.RecordEvent(incarnation_, event, {}); },
        [&](const Result<ledger::RecordedEvent>&) { recorded = true; });
    RunUntil([&] { return recorded; });
    watch_->Recheck();
  }

  SystemClock clock_;
  std::string folder_;
  LinesSink sink_;
  const Logger log_{sink_, LogLevel::kInfo};
  std::unique_ptr<LedgerThread> ledger_;
  Uuid incarnation_;
  FakeMarker marker_;
  MigrationFacts live_;
  std::vector<observe::MigrationState> told_;
  std::shared_ptr<MigrationWatch> watch_;
};

TEST_F(MigrationWatchTest, UnsafeUntilTheRecordIsReadThenMarkedSafe) {
  watch_->Begin(incarnation_);
  EXPECT_FALSE(watch_->state().safe);
  RunUntil([this] { return !told_.empty(); });
  EXPECT_TRUE(watch_->state().safe);
  ASSERT_EQ(marker_.marks.size(), 1u);
  EXPECT_TRUE(marker_.marks[0].safe_to_migrate);
}

TEST_F(MigrationWatchTest, ABadPageIsToldAndMarkedAndOnceIsEnough) {
  VmStarts();
  PageGoesBad(0x40711000);
  RunUntil([this] { return told_.size() == 2; });
  EXPECT_EQ(watch_->state().unhealed_pages, 1u);
  ASSERT_EQ(marker_.marks.size(), 2u);
  EXPECT_FALSE(marker_.marks[1].safe_to_migrate);
  EXPECT_THAT(marker_.marks[1].reason, HasSubstr("1 page of bad memory"));
  watch_->Recheck();
  RunUntil([this] { return told_.size() == 3; });
  EXPECT_EQ(marker_.marks.size(), 2u) << "the same word is not written again";
}

TEST_F(MigrationWatchTest, AStormIsReadOnceInAWhile) {
  VmStarts();
  for (std::uint64_t page = 0; page < 50; ++page) PageGoesBad(0x40711000 + page * 4096);
  RunUntil([this] { return watch_->state().unhealed_pages == 50; });
  EXPECT_LE(told_.size(), 10u);
}

TEST_F(MigrationWatchTest, AMarkThatLibvirtRefusedIsTriedWhenTheDomainIsSeenAgain) {
  marker_.fails = true;
  VmStarts();
  EXPECT_EQ(marker_.marks.size(), 1u);
  ASSERT_EQ(sink_.lines.size(), 1u);
  EXPECT_THAT(sink_.lines[0], HasSubstr("mark_not_written"));
  marker_.fails = false;
  watch_->RetryMark();
  watch_->RetryMark();
  EXPECT_EQ(marker_.marks.size(), 2u);
}

TEST_F(MigrationWatchTest, AWordThatChangesWhileItIsWrittenIsWrittenAnew) {
  marker_.holds = true;
  VmStarts();
  PageGoesBad(0x40711000);
  RunUntil([this] { return told_.size() == 2; });
  EXPECT_EQ(marker_.marks.size(), 1u) << "one at a time";
  marker_.holds = false;
  marker_.held[0](Status());
  ASSERT_EQ(marker_.marks.size(), 2u);
  EXPECT_FALSE(marker_.marks[1].safe_to_migrate);
}

TEST_F(MigrationWatchTest, JudgingReadsTheRecordAnew) {
  VmStarts();
  live_.not_yet_recorded = 1;
  std::optional<Result<observe::MigrationState>> judged;
  watch_->Judge([&](Result<observe::MigrationState> state) { judged = std::move(state); });
  RunUntil([&] { return judged.has_value(); });
  EXPECT_FALSE((*judged)->safe);
  EXPECT_TRUE(watch_->state().safe) << "what was known before";
}

TEST_F(MigrationWatchTest, AVmThatEndedIsSafeAndSilent) {
  VmStarts();
  PageGoesBad(0x40711000);
  watch_->Stop();
  EXPECT_TRUE(watch_->state().safe);
  std::optional<Result<observe::MigrationState>> judged;
  watch_->Judge([&](Result<observe::MigrationState> state) { judged = std::move(state); });
  ASSERT_TRUE(judged.has_value());
  EXPECT_TRUE((*judged)->safe);
  watch_->RetryMark();
  EXPECT_EQ(marker_.marks.size(), 1u);
}

}  // namespace
}  // namespace seaward
