// What guests bring back into a ledger that replaced a corrupt one.
#include <gmock/gmock.h>

#include <fstream>

#include "host-notifier/ledger/ledger_fixture.h"
#include "host-notifier/policy/rule.h"

namespace seaward::ledger {
namespace {

using protocol::Evidence;
using protocol::Known;
using protocol::KnownRecord;
using protocol::Outcome;
using ::testing::SizeIs;

KnownRecord Claim(std::uint64_t gpa, bool this_boot = true, Evidence evidence = Evidence::kConsumed,
                  std::uint64_t length = kPoisonGranule) {
  return {ByteRange::Make(GuestPhysAddr{gpa}, length).value(), evidence, this_boot};
}

class LedgerClaims : public LedgerFixture {
 protected:
  void LedgerIsCorrupted(const LedgerLimits& limits = {}) {
    ledger_.reset();
    { std::ofstream(Path(), std::ios::trunc) << std::string(9000, 'x'); }
    clock_.Advance(std::chrono::seconds(10));
    OpenLedger(kHostBoot, limits);
    ASSERT_TRUE(set_aside_);
  }
  // A new ledger that knows nothing, and a guest in its boot.
  Uuid VmIsMetAgain() {
    const Uuid life = VmStarts();
    EXPECT_TRUE(ledger_->BeginBoot(life, kGuestBoot1));
    return life;
  }
  Result<RecordedClaims> Tell(const Uuid& life, std::vector<KnownRecord> records,
                              bool last = true) {
    return ledger_->RecordClaims(life, kGuestBoot1, Known{std::move(records), last});
  }
  bool RecallDue(const Uuid& life) { return ledger_->View().Incarnation(life).value()->recall_due; }
  policy::VmFacts Facts(const Uuid& life) {
    return ledger_->Decisions().Facts(life, WallTime{}).value();
  }
};

TEST_F(LedgerClaims, AGuestIsAskedOnlyForMemoryThatWasThereBefore) {
  EXPECT_FALSE(RecallDue(VmStarts())) << "a ledger that was never corrupt";
  LedgerIsCorrupted();
  const Uuid before = VmIsMetAgain();
  EXPECT_TRUE(RecallDue(before));
  EXPECT_EQ(ledger_->View().Rebuild().value()->vms_to_ask, 1u);
  const ProcessIdentity later{4712, 1'000'000'000'000};
  EXPECT_FALSE(RecallDue(VmStarts(later))) << "its memory is younger than the ledger";
}

TEST_F(LedgerClaims, ClaimsBecomePagesAndSurviveAsSuch) {
  LedgerIsCorrupted();
  const Uuid life = VmIsMetAgain();
  const auto first = Tell(life, {Claim(0x1000)}, false);
  ASSERT_TRUE(first) << first.error().Text();
  EXPECT_TRUE(RecallDue(life));
  const auto rest = Tell(life, {Claim(0x8000, false, Evidence::kLatent, 0x3000), Claim(0x1000)});
  ASSERT_TRUE(rest) << rest.error().Text();
  EXPECT_EQ(rest->known, 1u);
  EXPECT_EQ(rest->all, 2u);
  ASSERT_THAT(first->pages, SizeIs(1));
  ASSERT_THAT(rest->pages, SizeIs(1));
  EXPECT_EQ(first->pages[0].life, PageLife::kReported);
  EXPECT_EQ(first->pages[0].located_by, LocatedBy::kGuest);
  EXPECT_FALSE(first->pages[0].replay);
  const PageRow& old = rest->pages[0];
  EXPECT_EQ(old.life, PageLife::kToReplay);
  EXPECT_TRUE(old.replay) << "the present boot has not dealt with it";
  EXPECT_EQ(old.evidence, Evidence::kLatent);
  EXPECT_EQ(old.range.length(), 0x3000u);
  EXPECT_EQ(old.host_retired, HostRetired::kNo);
  EXPECT_FALSE(RecallDue(life));
  EXPECT_EQ(ledger_->View().Rebuild().value()->pages, 2u);
  EXPECT_EQ(ledger_->View().Rebuild().value()->vms_to_ask, 0u);
  const auto audit = ledger_->View().Audit(10).value();
  ASSERT_THAT(audit, SizeIs(1));
  EXPECT_EQ(audit[0].action, OperatorAction::kRebuild);
  EXPECT_EQ(audit[0].vm, kVm.uuid);
  EXPECT_EQ(audit[0].pages, 2u);
}

TEST_F(LedgerClaims, NobodyMayClaimUnasked) {
  const Uuid unasked = VmIsMetAgain();
  EXPECT_EQ(Tell(unasked, {Claim(0x1000)}).error().code, ErrorCode::kInvalid);
  LedgerIsCorrupted();
  const Uuid life = VmIsMetAgain();
  EXPECT_EQ(ledger_->RecordClaims(life, kGuestBoot2, Known{{Claim(0x1000)}, true}).error().code,
            ErrorCode::kInvalid)
      << "of another boot";
  ASSERT_TRUE(Tell(life, {}));
  EXPECT_EQ(Tell(life, {Claim(0x1000)}).error().code, ErrorCode::kInvalid) << "the asking is over";
  EXPECT_THAT(ledger_->View().Pages({}).value(), SizeIs(0));
}

TEST_F(LedgerClaims, AVerdictGivesTheLifeBackAndNoExposure) {
  LedgerIsCorrupted();
  const Uuid life = VmIsMetAgain();
  const PageRow page = Tell(life, {Claim(0x1000)})->pages.at(0);
  protocol::VerdictRecord record;
  record.id = page.id;
  record.range = page.range;
  record.outcome = Outcome::kRetired;
  clock_.Advance(std::chrono::seconds(3));
  const auto verdict = ledger_->RecordVerdict(life, kGuestBoot1, record, clock_.Now());
  ASSERT_TRUE(verdict) << verdict.error().Text();
  EXPECT_EQ(verdict->page.life, PageLife::kRetired);
  EXPECT_EQ(verdict->page.outcome, Outcome::kRetired);
  EXPECT_FALSE(verdict->exposure_ended);
  EXPECT_EQ(verdict->page.exposure, std::nullopt) << "nobody knows when its error came";
}

TEST_F(LedgerClaims, ClaimsAreNoFactsOfThePolicyUntilTheHostSeesAnError) {
  LedgerIsCorrupted();
  const Uuid life = VmIsMetAgain();
  ASSERT_TRUE(Tell(life, {Claim(0x1000), Claim(0x8000)}));
  EXPECT_THAT(Facts(life).of(policy::Condition::kPages), SizeIs(0));
  EXPECT_THAT(Facts(life).of(policy::Condition::kUnretiredPages), SizeIs(0));
  EXPECT_EQ(ledger_->View().Unhealed(life)->pages, 2u) << "reading them may still kill the VM";
  clock_.Advance(std::chrono::seconds(5));
  const auto seen = Record(life, Exit(0x1000));
  ASSERT_TRUE(seen.entry);
  EXPECT_FALSE(seen.is_new);
  const PageRow page = Page(seen.entry->id);
  EXPECT_EQ(page.located_by, LocatedBy::kGpa);
  EXPECT_EQ(page.first_seen, clock_.WallNow()) << "the first error that the host heard of";
  EXPECT_THAT(Facts(life).of(policy::Condition::kPages), SizeIs(1));
}

TEST_F(LedgerClaims, ALyingGuestLeavesRoomForWhatTheHostLearns) {
  LedgerIsCorrupted({.pages_per_incarnation = 3, .claims_per_incarnation = 2});
  const Uuid life = VmIsMetAgain();
  const auto recorded = Tell(life, {Claim(0x1000), Claim(0x2000), Claim(0x3000), Claim(0x4000)});
  ASSERT_TRUE(recorded) << recorded.error().Text();
  EXPECT_THAT(recorded->pages, SizeIs(2));
  EXPECT_EQ(recorded->refused, 2u);
  EXPECT_TRUE(Record(life, Exit(0x9000)).is_new);
}

TEST_F(LedgerClaims, TheIdsOfTheLostLedgerAreNotGivenAgain) {
  const Uuid life = VmStarts();
  const auto old = Record(life, Exit(0x1000)).entry->id;
  clock_.Advance(std::chrono::hours(1));
  LedgerIsCorrupted();
  EXPECT_GT(ledger_->ReservePageIds(1).value(), old + (1U << 20U));
}

}  // namespace
}  // namespace seaward::ledger
