// What is asked of the host, and when the ledger learns of it.
#include "host-notifier/app/host_retirer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "host-notifier/classify/classify.h"
#include "host-notifier/ledger/sqlite.h"
#include "host-notifier/loop/loop_fixture.h"

namespace seaward {
namespace {

const ledger::VmIdentity kVm{ParseUuid("c7a5fdbd-edaf-9455-926a-d65c16db1809").value(), "g1"};
constexpr std::size_t kPages = 5;

// Looks into the ledger's file, as another process would, each time that it is asked.
class FakeHostMemory final : public HostMemory {
 public:
  explicit FakeHostMemory(std::string ledger) : ledger_(std::move(ledger)) {}
  std::optional<PageFrame> FrameBehind(const ProcessIdentity&, HostVirtAddr) override {
    return std::nullopt;
  }
  bool IsReplaced(const ProcessIdentity&, HostVirtAddr, PageFrame) override { return false; }
  Result<std::vector<HostVirtAddr>> Find(const ProcessIdentity&, PageFrame,
                                         const std::function<bool()>&) override {
    return std::vector<HostVirtAddr>();
  }
  Status Retire(PageFrame frame) override {
    asked_.push_back(frame.number);
    auto db = ledger::Database::Open(ledger_);
    EXPECT_TRUE(db);
    ledger::Query pending(*db, "SELECT count(*) FROM page WHERE host_retired = 'pending'");
    pending_then_.push_back(pending.Number().value());
    if (frame.number == refused_) return Fail(ErrorCode::kBusy, "page is busy", EBUSY);
    return {};
  }

  std::uint64_t refused_ = 0;
  std::vector<std::uint64_t> asked_;
  std::vector<std::uint64_t> pending_then_;

 private:
  const std::string ledger_;
};

class NoLines final : public LogSink {
 public:
  void Write(LogLevel, std::string_view) override {}
};

class HostRetirerTest : public LoopTest {
 protected:
  HostRetirerTest() {
    auto opened = ledger::Ledger::Open(folder_ + "/l.db", Uuid{}, clock_);
    incarnation_ = opened->ledger->BeginIncarnation(kVm, ProcessIdentity{4711, 88})->id;
    for (std::uint64_t i = 0; i < kPages; ++i) {
      const auto range =
          ByteRange::Make(GuestPhysAddr{0x40000000 + i * kPoisonGranule}, kPoisonGranule).value();
      const PoisonEvent event =
          ClassifyReport(range, protocol::Evidence::kConsumed, clock_.Now(), clock_.WallNow());
      EXPECT_TRUE(opened->ledger->RecordEvent(incarnation_, event, PageFrame{0x100 + i}));
    }
    ledger_ =
        std::make_unique<LedgerThread>(loop_, std::move(opened->ledger), clock_,
                                       LedgerThread::Options{}, [](const std::optional<Error>&) {});
    retirer_.emplace(*ledger_, host_, retired_, clock_, log_, config_);
  }
  ~HostRetirerTest() override {
    ledger_.reset();
    std::filesystem::remove_all(folder_);
  }
  static std::string MakeFolder() {
    char name[] = "/tmp/swhrXXXXXX";
    return ::mkdtemp(name);
  }
  // Behind every write so far.
  std::vector<ledger::PendingFrame> StillPending() {
    std::optional<Result<std::vector<ledger::PendingFrame>>> result;
    ledger_->Write<std::vector<ledger::PendingFrame>>(
        [](ledger::Ledger& l) { return l.View().PendingHostRetirements(); },
        [&](const Result<std::vector<ledger::PendingFrame>>& r) { result = r; });
    RunUntil([&] { return result.has_value(); });
    return **result;
  }

  SystemClock clock_;
  const std::string folder_ = MakeFolder();
  NoLines sink_;
  const Logger log_{sink_, LogLevel::kError};
  config::NotifierConfig config_;
  RetiredFrames retired_;
  FakeHostMemory host_{folder_ + "/l.db"};
  Uuid incarnation_;
  std::unique_ptr<LedgerThread> ledger_;
  std::optional<HostRetirer> retirer_;
};

// A record needs memory, and could be given a frame that is still to be retired.
TEST_F(HostRetirerTest, AllFramesOfAnEndedVmGoBeforeOneIsRecorded) {
  retirer_->VmEnded(incarnation_, false);
  EXPECT_TRUE(StillPending().empty());
  EXPECT_THAT(host_.asked_, testing::ElementsAre(0x100, 0x101, 0x102, 0x103, 0x104));
  EXPECT_THAT(host_.pending_then_, testing::Each(kPages));
}

TEST_F(HostRetirerTest, FramesThatStayTheVmsAreLeftAlone) {
  config_.fixed_backing = {policy::Glob::Parse("g*").value()};
  retirer_->VmEnded(incarnation_, false);
  EXPECT_EQ(StillPending().size(), kPages);
  EXPECT_TRUE(host_.asked_.empty());
}

TEST_F(HostRetirerTest, OneRefusedFrameKeepsNoOtherBack) {
  host_.refused_ = 0x102;
  retirer_->VmEnded(incarnation_, false);
  EXPECT_TRUE(StillPending().empty());
  EXPECT_EQ(host_.asked_.size(), kPages);
  retirer_->VmEnded(incarnation_, false);
  EXPECT_TRUE(StillPending().empty());
  EXPECT_EQ(host_.asked_.size(), kPages) << "each is asked for once";
}

}  // namespace
}  // namespace seaward
