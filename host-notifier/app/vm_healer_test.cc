// Who is believed, in which order, and what a refusal leaves behind: with a host and a VMM that the
// test plays.
#include "host-notifier/app/vm_healer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "host-notifier/classify/classify.h"
#include "host-notifier/loop/loop_fixture.h"

namespace seaward {
namespace {

using ledger::HealState;
using ledger::PageLife;
using ledger::PageRow;
using testing::ElementsAre;
using vmm::HealResult;

const ledger::VmIdentity kVm{ParseUuid("c7a5fdbd-edaf-9455-926a-d65c16db1809").value(), "g1"};
const Uuid kBoot = ParseUuid("00000000-0000-4000-8000-0000000000a1").value();
constexpr ProcessIdentity kVmm{4711, 88};
constexpr PageFrame kFrame{0x12345};

// Used on the ledger thread; looked at when that is idle.
class FakeHostMemory final : public HostMemory {
 public:
  std::optional<PageFrame> FrameBehind(const ProcessIdentity&, HostVirtAddr) override {
    return kFrame;
  }
  bool IsReplaced(const ProcessIdentity& process, HostVirtAddr, PageFrame bad) override {
    done.push_back(replaced && process == kVmm && bad == kFrame ? "replaced" : "not replaced");
    return done.back() == "replaced";
  }
  Result<std::vector<HostVirtAddr>> Find(const ProcessIdentity&, PageFrame,
                                         const std::function<bool()>&) override {
    return std::vector<HostVirtAddr>();
  }
  Status Retire(PageFrame frame) override {
    done.push_back("retire " + FormatAddress(frame.number));
    if (refuses) return Fail(ErrorCode::kBusy, "page is busy", EBUSY);
    return {};
  }
  bool replaced = true;
  bool refuses = false;
  std::vector<std::string> done;
};

class Nobody final : public RecordObserver, public DomainMarker {
 public:
  void EventRecorded(const ledger::VmIdentity&, const PoisonEvent&) override {}
  void PageChanged(const PageRow&) override {}
  void AlarmChanged(const ledger::AlarmRow&) override {}
  void ExitsLost(const ledger::VmIdentity&, std::uint64_t) override {}
  void MemoryKnown(const ledger::VmIdentity&) override {}
  void WriteMark(const Uuid&, const DomainMark&, std::function<void(Status)>) override {}
};

class NoLines final : public LogSink {
 public:
  void Write(LogLevel, std::string_view) override {}
};

class VmHealerTest : public LoopTest {
 protected:
  VmHealerTest() {
    char name[] = "/tmp/swvhXXXXXX";
    folder_ = ::mkdtemp(name);
    auto opened = ledger::Ledger::Open(folder_ + "/l.db", Uuid{}, clock_);
    incarnation_ = opened->ledger->BeginIncarnation(kVm, kVmm)->id;
    EXPECT_TRUE(opened->ledger->BeginBoot(incarnation_, kBoot));
    ledger_ =
        std::make_unique<LedgerThread>(loop_, std::move(opened->ledger), clock_,
                                       LedgerThread::Options{}, [](const std::optional<Error>&) {});
    ids_.emplace(*ledger_);
    retirer_.emplace(*ledger_, host_, retired_, clock_, log_, config_);
  }
  ~VmHealerTest() override {
    healer_.reset();
    ledger_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Operate(config::HealMode mode, std::chrono::nanoseconds patience = VmHealer::kPatience) {
    config_.heal = mode;
    context_.emplace(VmContext{loop_, clock_, log_, *ledger_, host_, *ids_, *retirer_, nobody_,
                               nobody_, measurements_, config_});
    VmHealer::Edges edges;
    edges.vmm = [this] { return vmm_; };
    edges.send = [this](const vmm::HealOrder& order) {
      if (!reads_) return false;
      orders_.push_back(order);
      return true;
    };
    edges.ordered = [](const PageRow&) {};
    edges.ended = [this](const PageRow& page) { ended_.push_back(page); };
    healer_ = std::make_shared<VmHealer>(*context_, log_, std::move(edges), patience);
  }
  std::uint64_t PageGoesBad(std::uint64_t gpa, std::uint64_t length = kPoisonGranule) {
    PoisonEvent event =
        ClassifyReport(ByteRange::Make(GuestPhysAddr{gpa}, length).value(),
                       protocol::Evidence::kConsumed, clock_.Now(), clock_.WallNow());
    event.hva = HostVirtAddr{gpa + 0x7f0000000000};
    const auto recorded = InLedger<ledger::RecordedEvent>(
        [&](ledger::Ledger& l) { return l.RecordEvent(incarnation_, event, kFrame); });
    return recorded.entry->id;
  }
  // Recorded, and shown to the healer as Vm does.
  bool GuestRetires(std::uint64_t id) {
    const auto page = InLedger<ledger::RecordedVerdict>([&](ledger::Ledger& l) {
      protocol::VerdictRecord record;
      record.id = id;
      record.range = l.View().Page(id)->range;
      record.outcome = protocol::Outcome::kRetired;
      return l.RecordVerdict(incarnation_, kBoot, record, clock_.Now());
    });
    return healer_->TakesOver(page.page);
  }
  PageRow Page(std::uint64_t id) {
    return InLedger<PageRow>([&](ledger::Ledger& l) { return l.View().Page(id); });
  }
  void Ends() {
    RunUntil([this] { return !ended_.empty(); });
  }
  void ExpectRefused(std::uint64_t id, const char* reason) {
    Ends();
    EXPECT_EQ(Page(id).heal, HealState::kRefused);
    EXPECT_EQ(Page(id).heal_reason, reason);
    EXPECT_TRUE(ledger::IsWanted(Page(id).life));
    EXPECT_EQ(healer_->refusals().at(reason), 1u);
    EXPECT_EQ(healer_->healed(), 0u);
  }
  // In order behind everything that was asked for before.
  template <class T>
  T InLedger(std::function<Result<T>(ledger::Ledger&)> work) {
    std::optional<Result<T>> result;
    ledger_->Write<T>(std::move(work), [&](Result<T> r) { result = std::move(r); });
    RunUntil([&] { return result.has_value(); });
    EXPECT_TRUE(*result) << result->error().Text();
    return **result;
  }

  SystemClock clock_;
  std::string folder_;
  NoLines sink_;
  const Logger log_{sink_, LogLevel::kError};
  config::NotifierConfig config_;
  metrics::Measurements measurements_;
  Nobody nobody_;
  FakeHostMemory host_;
  std::unique_ptr<LedgerThread> ledger_;
  std::optional<PageIds> ids_;
  RetiredFrames retired_;
  std::optional<HostRetirer> retirer_;
  std::optional<VmContext> context_;
  Uuid incarnation_;
  std::optional<VmHealer::AttachedVmm> vmm_{VmHealer::AttachedVmm{kVmm, true}};
  bool reads_ = true;
  std::vector<vmm::HealOrder> orders_;
  std::vector<PageRow> ended_;
  std::shared_ptr<VmHealer> healer_;
};

TEST_F(VmHealerTest, AsksTheVmmThenTheKernelThenTheHostAndClearsThePage) {
  Operate(config::HealMode::kWhenRetired);
  const auto page = PageGoesBad(0x40711000);
  EXPECT_TRUE(GuestRetires(page));
  ASSERT_EQ(orders_.size(), 1u);
  EXPECT_EQ(orders_[0].page, GuestPhysAddr{0x40711000});
  EXPECT_EQ(orders_[0].host, HostVirtAddr{0x7f0040711000});
  EXPECT_EQ(Page(page).heal, HealState::kOrdered);
  EXPECT_TRUE(host_.done.empty()) << "the guest's memory is not touched before the VMM agrees";
  EXPECT_TRUE(healer_->Answered({page, HealResult::kReplaced}));
  Ends();
  EXPECT_THAT(host_.done, ElementsAre("replaced", "retire 0x12345"));
  EXPECT_EQ(Page(page).life, PageLife::kCleared);
  EXPECT_EQ(Page(page).heal, HealState::kHealed);
  EXPECT_EQ(Page(page).host_retired, ledger::HostRetired::kYes);
  EXPECT_EQ(healer_->healed(), 1u);
}

TEST_F(VmHealerTest, AHostThatKeepsTheFrameMakesThePageNoWorse) {
  host_.refuses = true;
  Operate(config::HealMode::kWhenRetired);
  const auto page = PageGoesBad(0x40711000);
  GuestRetires(page);
  healer_->Answered({page, HealResult::kReplaced});
  Ends();
  EXPECT_EQ(Page(page).life, PageLife::kCleared);
  EXPECT_EQ(Page(page).host_retired, ledger::HostRetired::kRefused);
}

TEST_F(VmHealerTest, BelievesNoVmmThatTheKernelContradicts) {
  host_.replaced = false;
  Operate(config::HealMode::kWhenRetired);
  const auto page = PageGoesBad(0x40711000);
  GuestRetires(page);
  healer_->Answered({page, HealResult::kReplaced});
  ExpectRefused(page, "not_replaced");
  EXPECT_THAT(host_.done, ElementsAre("not replaced")) << "a frame in use is not retired";
}

TEST_F(VmHealerTest, AnswersThatNobodyAskedForAreNone) {
  Operate(config::HealMode::kWhenRetired);
  EXPECT_FALSE(healer_->Answered({1, HealResult::kReplaced}));
  const auto page = PageGoesBad(0x40711000);
  GuestRetires(page);
  EXPECT_FALSE(healer_->Answered({page, HealResult::kStanding})) << "it was to do it now";
  EXPECT_TRUE(healer_->Answered({page, HealResult::kReplaced}));
  EXPECT_FALSE(healer_->Answered({page, HealResult::kReplaced})) << "once more";
}

TEST_F(VmHealerTest, unattached_and_off) {
  host_.replaced = false;
  Operate(config::HealMode::kWhenRetired);
  vmm_.reset();
  const auto page = PageGoesBad(0x40711000);
  GuestRetires(page);
  ExpectRefused(page, "unattached");
  ended_.clear();
  vmm_ = {kVmm, false};
  healer_->CatchUp(incarnation_);
  Ends();
  EXPECT_EQ(Page(page).heal_reason, "off");
  vmm_ = {kVmm, true};
  healer_->CatchUp(incarnation_);
  RunUntil([this] { return orders_.size() == 1; });
}

TEST_F(VmHealerTest, host_not_retired_where_only_one_of_several_frames_is_known) {
  Operate(config::HealMode::kWhenRetired);
  const auto page = PageGoesBad(0x40710000, 2 * kPoisonGranule);
  GuestRetires(page);
  ExpectRefused(page, "host_not_retired");
  EXPECT_TRUE(orders_.empty());
}

TEST_F(VmHealerTest, no_answer) {
  Operate(config::HealMode::kWhenRetired, std::chrono::milliseconds(1));
  const auto page = PageGoesBad(0x40711000);
  GuestRetires(page);
  ExpectRefused(page, "no_answer");
  ended_.clear();
  EXPECT_TRUE(healer_->Answered({page, HealResult::kReplaced})) << "late is better than never";
  Ends();
  EXPECT_EQ(Page(page).life, PageLife::kCleared);
}

TEST_F(VmHealerTest, EachRefusalOfTheVmmKeepsThePage) {
  Operate(config::HealMode::kWhenRetired);
  const auto page = PageGoesBad(0x40711000);
  for (const HealResult refusal : vmm::kAllHealRefusals) {
    ended_.clear();
    GuestRetires(page);
    EXPECT_TRUE(healer_->Answered({page, refusal}));
    ExpectRefused(page, std::string(vmm::ToString(refusal)).c_str());
  }
  EXPECT_TRUE(host_.done.empty());
}

TEST_F(VmHealerTest, AtResetOrdersStandFromTheFirstErrorOn) {
  Operate(config::HealMode::kAtReset);
  const auto page = PageGoesBad(0x40711000);
  healer_->PageWentBad(page);
  RunUntil([this] { return orders_.size() == 1; });
  EXPECT_EQ(orders_[0].when, vmm::HealWhen::kAtReset);
  EXPECT_TRUE(healer_->Answered({page, HealResult::kStanding}));
  EXPECT_FALSE(healer_->Answered({page, HealResult::kStanding})) << "said once";
  EXPECT_FALSE(GuestRetires(page)) << "host retirement goes its usual way";
  healer_->PageWentBad(page);
  Page(page);
  EXPECT_EQ(orders_.size(), 1u);
  EXPECT_TRUE(healer_->Answered({page, HealResult::kReplaced}));
  Ends();
  EXPECT_EQ(Page(page).life, PageLife::kCleared);
}

TEST_F(VmHealerTest, TellsAVmmNoMoreAtOnceThanItsSocketHolds) {
  Operate(config::HealMode::kWhenRetired);
  for (std::uint64_t i = 0; i < 40; ++i) GuestRetires(PageGoesBad(0x40711000 + i * 4096));
  EXPECT_EQ(orders_.size(), 32u);
  healer_->Answered({orders_[0].id, HealResult::kVfio});
  EXPECT_EQ(orders_.size(), 33u);
  healer_->Stop();
  EXPECT_FALSE(healer_->Answered({orders_[1].id, HealResult::kReplaced})) << "of another life";
}

TEST_F(VmHealerTest, MemoryThatSomebodyElseReplacedIsFoundInEveryMode) {
  for (const auto mode :
       {config::HealMode::kOff, config::HealMode::kAtReset, config::HealMode::kWhenRetired}) {
    Operate(mode);
    const auto page = PageGoesBad(0x40711000);
    host_.done.clear();
    ended_.clear();
    healer_->CatchUp(incarnation_);
    healer_->CatchUp(incarnation_);  // an attach and a reset at once: cleared once
    Ends();
    EXPECT_EQ(Page(page).life, PageLife::kCleared);
    EXPECT_EQ(Page(page).host_retired, ledger::HostRetired::kYes);
    EXPECT_EQ(std::count(host_.done.begin(), host_.done.end(), "retire 0x12345"), 1);
    EXPECT_EQ(ended_.size(), 1u);
    EXPECT_TRUE(orders_.empty());
  }
}

TEST_F(VmHealerTest, AHostThatRetiresNothingClearsThePageAllTheSame) {
  config_.host_retire = config::HostRetire::kOff;
  Operate(config::HealMode::kOff);
  const auto page = PageGoesBad(0x40711000);
  healer_->CatchUp(incarnation_);
  Ends();
  EXPECT_EQ(Page(page).life, PageLife::kCleared);
  EXPECT_EQ(Page(page).host_retired, ledger::HostRetired::kPending);
}

TEST_F(VmHealerTest, OffAsksNobody) {
  Operate(config::HealMode::kOff);
  host_.replaced = false;
  const auto page = PageGoesBad(0x40711000);
  EXPECT_FALSE(GuestRetires(page));
  healer_->PageWentBad(page);
  healer_->CatchUp(incarnation_);
  EXPECT_EQ(Page(page).heal, HealState::kNo);
  EXPECT_TRUE(orders_.empty());
}

}  // namespace
}  // namespace seaward
