#include "host-notifier/ledger/decision_table.h"

#include <gmock/gmock.h>

#include "host-notifier/ledger/ledger_fixture.h"

namespace seaward::ledger {
namespace {

using policy::Action;
using policy::ActionEvent;
using policy::ActionState;
using policy::Condition;
using policy::Intervention;
using std::chrono::hours;
using std::chrono::seconds;

class DecisionTableTest : public LedgerFixture {
 protected:
  NewDecision Telling(const std::string& sink) const {
    return {{"rule", Action{sink, Intervention::kNone}, ActionState::kPending, "because", 3,
             clock_.WallNow()},
            clock_.WallNow() + hours(1)};
  }
  DecisionRow Decided(const Uuid& incarnation, NewDecision decision) {
    auto rows = ledger_->Decisions().Record(kVm, incarnation, std::span(&decision, 1));
    EXPECT_TRUE(rows) << rows.error().Text();
    return rows ? rows->front() : DecisionRow{};
  }
  std::uint64_t Counted(const Uuid& incarnation, Condition condition) {
    const auto facts = ledger_->Decisions().Facts(incarnation, clock_.WallNow() - hours(24));
    EXPECT_TRUE(facts) << facts.error().Text();
    std::uint64_t sum = 0;
    for (const policy::Sample& sample : facts->of(condition)) sum += sample.count;
    return sum;
  }
};

TEST_F(DecisionTableTest, RowsAreThereAfterAReopenAsTheyWereWritten) {
  const Uuid incarnation = VmStarts();
  DecisionRow row = Decided(incarnation, Telling("ops"));
  ASSERT_TRUE(ledger_->Decisions().Advance(row.id, ActionEvent::kBegin));
  OpenLedger();
  const auto open = ledger_->Decisions().Open();
  ASSERT_TRUE(open);
  ASSERT_EQ(open->size(), 1u);
  const DecisionRow& kept = open->front();
  EXPECT_EQ(kept.vm.name, "g1");
  EXPECT_EQ(kept.incarnation, incarnation);
  EXPECT_EQ(kept.rule, "rule");
  EXPECT_EQ(kept.action, (Action{"ops", Intervention::kNone}));
  EXPECT_EQ(kept.state, ActionState::kUnderWay);
  EXPECT_EQ(kept.reason, "because");
  EXPECT_EQ(kept.counted, 3u);
  EXPECT_EQ(kept.attempts, 1u);
  EXPECT_EQ(kept.expires, kept.decided + hours(1));
}

TEST_F(DecisionTableTest, FollowsTheTableOfStatesAndNothingElse) {
  const DecisionRow row = Decided(VmStarts(), Telling("ops"));
  const auto early = ledger_->Decisions().Advance(row.id, ActionEvent::kSucceeded);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, ErrorCode::kInvalid);
  ASSERT_TRUE(ledger_->Decisions().Advance(row.id, ActionEvent::kBegin));
  clock_.Advance(seconds(5));
  const auto failed =
      ledger_->Decisions().Advance(row.id, ActionEvent::kFailedForNow,
                                   {.result = "exit 1", .next = clock_.WallNow() + seconds(30)});
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->state, ActionState::kPending);
  EXPECT_EQ(failed->result, "exit 1");
  EXPECT_EQ(failed->next, clock_.WallNow() + seconds(30));
  EXPECT_EQ(failed->changed, clock_.WallNow());
  ASSERT_TRUE(ledger_->Decisions().Advance(row.id, ActionEvent::kBegin));
  const auto done = ledger_->Decisions().Advance(row.id, ActionEvent::kSucceeded);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->attempts, 2u);
  EXPECT_TRUE(ledger_->Decisions().Open()->empty());
  EXPECT_EQ(ledger_->Decisions().Advance(999, ActionEvent::kBegin).error().code,
            ErrorCode::kNotFound);
}

TEST_F(DecisionTableTest, CountsFactsOfThisMemoryByTheirKind) {
  const Uuid first = VmStarts();
  Record(first, Exit(0x40000000));
  const Uuid incarnation = VmStarts({4712, 99});
  Record(incarnation, Exit(0x40000000));
  Record(incarnation, Exit(0x40000000));
  Record(incarnation, Report(0x50000000, 0x3000, protocol::Evidence::kLatent));
  Record(incarnation, Report(0x60000000, 0x1000, protocol::Evidence::kPredicted));
  PoisonEvent nowhere = Exit(0);
  nowhere.range.reset();
  nowhere.location = Location::kUnlocated;
  nowhere.severity = Severity::kUncontainable;
  nowhere.count = 4;
  Record(incarnation, nowhere);
  Record(incarnation, WalkedExit(0x70000000, 0xffff0000));
  EXPECT_EQ(Counted(incarnation, Condition::kPages), 4u);
  EXPECT_EQ(Counted(incarnation, Condition::kUnretiredPages), 4u);
  EXPECT_EQ(Counted(incarnation, Condition::kUnlocatedEvents), 4u);
  EXPECT_EQ(Counted(incarnation, Condition::kUncontainableEvents), 4u);
  EXPECT_EQ(Counted(incarnation, Condition::kSuspectedEvents), 1u);
  EXPECT_EQ(Counted(incarnation, Condition::kBudgetRefusals), 0u);
}

TEST_F(DecisionTableTest, VerdictsDecideWhatIsUnretired) {
  const Uuid incarnation = VmStarts();
  const auto retired = Record(incarnation, Exit(0x40000000)).entry.value();
  const auto refused = Record(incarnation, Exit(0x40001000)).entry.value();
  ASSERT_TRUE(
      GuestAnswers(incarnation, kGuestBoot1, VerdictOn(retired, protocol::Outcome::kRetired)));
  ASSERT_TRUE(GuestAnswers(incarnation, kGuestBoot1,
                           VerdictOn(refused, protocol::Outcome::kBudgetExceeded)));
  EXPECT_EQ(Counted(incarnation, Condition::kPages), 2u);
  EXPECT_EQ(Counted(incarnation, Condition::kUnretiredPages), 1u);
  EXPECT_EQ(Counted(incarnation, Condition::kBudgetRefusals), 1u);
}

TEST_F(DecisionTableTest, HistoryTellsMemoriesApartAndCountsWhatIsUsedUp) {
  const VmIdentity other{*ParseUuid("c7a5fdbd-edaf-9455-926a-d65c16db1810"), "g2"};
  const Uuid first = VmStarts();
  Decided(first, Telling("ops"));
  clock_.Advance(hours(2));
  const Uuid second = VmStarts({4712, 99});
  Decided(second, Telling("ops"));
  NewDecision reset = Telling("");
  reset.decision.action.intervention = Intervention::kReset;
  reset.decision.state = ActionState::kDryRun;
  const auto others = ledger_->BeginIncarnation(other, {5000, 1});
  ASSERT_TRUE(ledger_->Decisions().Record(other, others->id, std::span(&reset, 1)));
  reset.decision.state = ActionState::kLimited;
  Decided(second, reset);
  const auto history =
      ledger_->Decisions().HistoryOf(kVm.uuid, second, clock_.WallNow() - hours(1));
  ASSERT_TRUE(history);
  ASSERT_EQ(history->decisions.size(), 3u);
  EXPECT_FALSE(history->decisions[0].same_memory);
  EXPECT_TRUE(history->decisions[1].same_memory);
  EXPECT_EQ(history->decisions[2].action.intervention, Intervention::kReset);
  EXPECT_EQ(history->spent.vm_notifications, 1u);
  EXPECT_EQ(history->spent.host_notifications, 1u);
  EXPECT_EQ(history->spent.vm_interventions, 0u);
  EXPECT_EQ(history->spent.host_interventions, 1u);
}

TEST_F(DecisionTableTest, TheOldestMakeRoomButNoneThatIsOpen) {
  LedgerLimits limits;
  limits.decision_rows_per_vm = 3;
  OpenLedger(kHostBoot, limits);
  const Uuid incarnation = VmStarts();
  const DecisionRow open = Decided(incarnation, Telling("ops"));
  NewDecision dry = Telling("ops");
  dry.decision.state = ActionState::kDryRun;
  for (int i = 0; i < 10; ++i) Decided(incarnation, dry);
  const auto rows = ledger_->Decisions().Newest(kVm.uuid, 100);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 4u);
  EXPECT_EQ(rows->front().id, open.id);
  EXPECT_EQ(ledger_->Decisions().Newest(kVm.uuid, 2)->size(), 2u);
}

}  // namespace
}  // namespace seaward::ledger
