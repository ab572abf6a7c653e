#include "host-notifier/session/session.h"

#include "host-notifier/session/session_fixture.h"

namespace seaward::session {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

using SessionTest = SessionFixture;

TEST_F(SessionTest, GreetsSyncsAndGoesLive) {
  GoLive({Entry(1), Entry(2)});
  EXPECT_THAT(listener_.phases,
              ElementsAre(Phase::kCalling, Phase::kGreeted, Phase::kSyncing, Phase::kLive));
  EXPECT_EQ(guest_.welcome()->incarnation, kIncarnation);
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2));
  EXPECT_THAT(IdsJudged(), ElementsAre(1, 2));
  EXPECT_THAT(listener_.sent, ElementsAre(1, 2));
  EXPECT_THAT(listener_.synced, ElementsAre(protocol::Stage::kRun));
  EXPECT_THAT(listener_.faults, IsEmpty());
  EXPECT_EQ(session_.boot_id(), kFirstBoot);
}

TEST_F(SessionTest, AnIdleLiveSessionWantsNoWakeup) {
  GoLive({Entry(1)});
  EXPECT_EQ(session_.NextDeadline(), std::nullopt);
  EXPECT_EQ(session_.unanswered_entries(), 0u);
}

TEST_F(SessionTest, DeliversBeforeReturningWhenLive) {
  GoLive();
  EXPECT_EQ(session_.Deliver(Entry(7)), Delivery::kSent);
  EXPECT_GT(port_.size(), 0u);
  Exchange();
  EXPECT_THAT(IdsJudged(), ElementsAre(7));
  EXPECT_EQ(session_.outstanding_bytes(), 0u);
  EXPECT_EQ(session_.NextDeadline(), std::nullopt);
}

TEST_F(SessionTest, AnEarlyStageLearnsThatItHasEverything) {
  guest_.set_stage(protocol::Stage::kEarly);
  GoLive({Entry(1)});
  EXPECT_TRUE(guest_.synced());
  EXPECT_THAT(listener_.synced, ElementsAre(protocol::Stage::kEarly));
  guest_.set_stage(protocol::Stage::kRun);
  guest_.RestartAgent();
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1)) << "the daemon's digest says that nothing is missing";
  EXPECT_THAT(listener_.synced, ElementsAre(protocol::Stage::kEarly, protocol::Stage::kRun));
}

TEST_F(SessionTest, WithholdsTheAckUntilTheWantedSetIsKnown) {
  session_.ChannelOpened();
  Exchange();
  EXPECT_EQ(session_.phase(), Phase::kGreeted);
  EXPECT_FALSE(guest_.welcomed());
  EXPECT_EQ(session_.Deliver(Entry(5)), Delivery::kQueued);
  KnowWanted({Entry(1)});
  Exchange();
  EXPECT_EQ(session_.phase(), Phase::kLive);
  EXPECT_THAT(IdsJudged(), ElementsAre(1, 5));
}

TEST_F(SessionTest, ANewBootIsToldEverythingAgainAsReplay) {
  GoLive({Entry(1)});
  session_.Deliver(Entry(2, Evidence::kLatent));
  Exchange();
  GuestReboots(kSecondBoot);
  ASSERT_THAT(IdsHeard(), ElementsAre(1, 2, 1, 2));
  EXPECT_FALSE(guest_.entries_heard()[1].replay);
  EXPECT_TRUE(guest_.entries_heard()[2].replay);
  EXPECT_TRUE(guest_.entries_heard()[3].replay);
  EXPECT_THAT(listener_.verdict_boots,
              ElementsAre(kFirstBoot, kFirstBoot, kSecondBoot, kSecondBoot));
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(SessionTest, PredictedEntriesEndWithTheBootThatWasGivenThem) {
  GoLive();
  session_.Deliver(Entry(1, Evidence::kPredicted));
  Exchange();
  session_.ChannelClosed();
  session_.Deliver(Entry(2, Evidence::kPredicted));
  session_.ChannelOpened();
  GuestReboots(kSecondBoot);
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2)) << "2 was never given to the first boot";
}

TEST_F(SessionTest, AnAgentThatRestartsHearsOnlyWhatItsDigestLacks) {
  GoLive({Entry(1), Entry(2)});
  guest_.RestartAgent();
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2));
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(SessionTest, AnAgentThatRestartsHearsOnlyWhatIsNewSince) {
  GoLive({Entry(1), Entry(2)});
  port_.Refuse(true);
  session_.Deliver(Entry(3));
  port_.Refuse(false);
  guest_.RestartAgent();
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2, 3));
  EXPECT_EQ(session_.phase(), Phase::kLive);
  EXPECT_TRUE(guest_.synced());
}

TEST_F(SessionTest, AnEarlyStageIsNotToldThatItsOwnSetIsAllThereIs) {
  guest_.set_stage(protocol::Stage::kEarly);
  GoLive({Entry(1), Entry(2)});
  port_.Refuse(true);
  session_.Deliver(Entry(3));
  port_.Refuse(false);
  guest_.RestartAgent();
  guest_.Receive(port_.Take());
  session_.BytesReceived(guest_.TakeOutput());
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2, 3, 1, 2)) << "it may leave after its sync";
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(SessionTest, ADeferredPageIsTheOnlyDifferenceAfterARestart) {
  guest_.set_decide([](const PoisonEntry& entry) {
    return std::vector{Record(entry.id, entry.id == 2 ? Outcome::kDeferred : Outcome::kRetired)};
  });
  GoLive({Entry(1), Entry(2), Entry(3)});
  guest_.RestartAgent();
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2, 3, 2));
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(SessionTest, ALostWelcomeIsRepeatedWithWhatTheGuestHas) {
  GoLive({Entry(1)});
  port_.Refuse(true);
  session_.Deliver(Entry(2));
  port_.Refuse(false);
  guest_.RestartAgent();
  session_.BytesReceived(guest_.TakeOutput());
  port_.Take();  // everything is lost
  guest_.RepeatHello();
  Exchange();
  Pass(1s);
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2));
  EXPECT_EQ(session_.phase(), Phase::kLive);
  EXPECT_TRUE(guest_.synced());
}

TEST_F(SessionTest, AGibibyteIsOneEntry) {
  const PoisonEntry huge{7, Page(0, protocol::kMaxRangeBytes / kPoisonGranule), Evidence::kLatent,
                         false};
  guest_.set_decide([&](const PoisonEntry& entry) {
    VerdictRecord record = Record(entry.id, Outcome::kRetired);
    record.range = entry.range;
    return std::vector{record};
  });
  GoLive({huge});
  EXPECT_THAT(IdsHeard(), ElementsAre(7));
  EXPECT_EQ(guest_.dealt_with().entries(), 1u);
  EXPECT_THAT(listener_.verdicts, SizeIs(1));
}

TEST_F(SessionTest, AVerdictThatWasLostIsAskedForAgain) {
  GoLive();
  session_.Deliver(Entry(1));
  guest_.Receive(port_.Take());
  guest_.TakeOutput();  // the agent answered, then everything in the channel was lost
  guest_.RestartAgent();
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 1));
  EXPECT_THAT(IdsJudged(), ElementsAre(1));
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(SessionTest, ANotifierThatRestartsAsksOnlyForMissingVerdicts) {
  GoLive({Entry(1), Entry(2)});
  RecordingListener listener;
  FakePort port;
  Session after(SessionLimits{}, clock_, port, listener);
  after.Begin({kIncarnation, kFirstBoot, {{Entry(1), true}, {Entry(2), false}}});
  after.ChannelOpened();
  for (int round = 0; round < 10; ++round) {
    guest_.Receive(port.Take());
    after.BytesReceived(guest_.TakeOutput());
  }
  EXPECT_EQ(after.phase(), Phase::kLive);
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2, 2));
  EXPECT_THAT(listener.verdicts, SizeIs(1));
  EXPECT_EQ(listener.new_boots, 0);
}

TEST_F(SessionTest, ARepeatedHelloIsWelcomedAgainWithoutANewSession) {
  KnowWanted({Entry(1)});
  session_.ChannelOpened();
  guest_.Receive(port_.Take());
  session_.BytesReceived(guest_.TakeOutput());
  port_.Take();  // ack, sync and poison are lost
  guest_.RepeatHello();
  Exchange();
  EXPECT_TRUE(guest_.welcomed());
  EXPECT_THAT(listener_.hellos, SizeIs(1));
  Pass(1s);
  Exchange();
  EXPECT_THAT(IdsJudged(), ElementsAre(1));
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(SessionTest, ForgottenPagesLeaveTheGuestsCount) {
  GoLive({Entry(1), Entry(2)});
  const ByteRange healed = Entry(1).range;
  session_.Forget(std::span(&healed, 1));
  Exchange();
  EXPECT_THAT(guest_.ranges_cleared(), ElementsAre(healed));
  EXPECT_EQ(session_.wanted_entries(), 1u);
  guest_.RestartAgent();
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2)) << "the digests agree without entry 1";
}

TEST_F(SessionTest, ForgettingWhatStillSyncsLetsTheGuestFinish) {
  guest_.set_decide([](const PoisonEntry& entry) {
    return entry.id == 1 ? std::vector<VerdictRecord>{}
                         : std::vector<VerdictRecord>{Record(entry.id, Outcome::kRetired)};
  });
  KnowWanted({Entry(1), Entry(2)});
  session_.ChannelOpened();
  Exchange();
  EXPECT_EQ(session_.phase(), Phase::kSyncing);
  const ByteRange healed = Entry(1).range;
  session_.Forget(std::span(&healed, 1));
  EXPECT_EQ(session_.unanswered_entries(), 0u);
}

TEST_F(SessionTest, ANewIncarnationForgetsTheOldPages) {
  GoLive({Entry(1)});
  session_.ChannelClosed();
  session_.Begin({NumberedUuid(101), {}, {}});
  session_.ChannelOpened();
  GuestReboots(kSecondBoot);
  EXPECT_THAT(IdsHeard(), ElementsAre(1)) << "in the first incarnation only";
  EXPECT_EQ(guest_.welcome()->incarnation, NumberedUuid(101));
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(SessionTest, NewPoisonGoesBeforeAReplayThatIsStillQueued) {
  std::vector<PoisonEntry> many;
  for (std::uint64_t id = 1; id <= 3000; ++id) {
    many.push_back(Entry(id));
    many.back().replay = true;
  }
  guest_.set_answering(false);
  KnowWanted(many);
  session_.ChannelOpened();
  Exchange();
  EXPECT_EQ(session_.Deliver(Entry(5000)), Delivery::kQueued);
  const std::uint64_t before = guest_.entries_heard().size();
  GuestJudges({Record(1, Outcome::kRetired)});
  Exchange();
  ASSERT_GT(guest_.entries_heard().size(), before);
  EXPECT_EQ(guest_.entries_heard()[before].id, 5000u);
}

TEST_F(SessionTest, TellsWhatCannotTravel) {
  GoLive();
  EXPECT_EQ(session_.Deliver({0, Page(1), Evidence::kConsumed, false}), Delivery::kRefused);
  EXPECT_EQ(session_.Deliver(
                {1, ByteRange::Make(GuestPhysAddr{1}, 5).value(), Evidence::kConsumed, false}),
            Delivery::kRefused);
  EXPECT_EQ(session_.Deliver(Entry(1)), Delivery::kSent);
  EXPECT_EQ(session_.Deliver(Entry(1)), Delivery::kKnown);
  Exchange();
  EXPECT_EQ(session_.Deliver(Entry(1)), Delivery::kKnown);
  EXPECT_THAT(IdsHeard(), ElementsAre(1));
}

TEST_F(SessionTest, StrongerEvidenceIsSentThoughTheIdIsKnown) {
  GoLive();
  session_.Deliver(Entry(1, Evidence::kPredicted));
  Exchange();
  EXPECT_EQ(session_.Deliver(Entry(1, Evidence::kConsumed)), Delivery::kSent);
  Exchange();
  ASSERT_THAT(guest_.entries_heard(), SizeIs(2));
  EXPECT_EQ(guest_.entries_heard()[1].evidence, Evidence::kConsumed);
  EXPECT_EQ(session_.Deliver(Entry(1, Evidence::kPredicted)), Delivery::kKnown);
}

TEST_F(SessionTest, AHostThatLostItsRecordAsksAndHearsAll) {
  guest_.set_known({{Page(2), Evidence::kConsumed, true}, {Page(8), Evidence::kLatent, false}});
  session_.Begin({kIncarnation, {}, {}, true});
  session_.ChannelOpened();
  Exchange();
  EXPECT_EQ(session_.phase(), Phase::kLive);
  EXPECT_EQ(guest_.recalls_heard(), 1u);
  ASSERT_THAT(listener_.claims, SizeIs(2));
  EXPECT_EQ(listener_.claims[1].range, Page(8));
  EXPECT_TRUE(listener_.claims_complete);
  guest_.RestartAgent();
  Exchange();
  EXPECT_EQ(guest_.recalls_heard(), 1u) << "it has said all";
}

TEST_F(SessionTest, AnAgentThatDoesNotKnowTheQuestionIsServedAndAskedInEachSession) {
  session_.Begin({kIncarnation, {}, {}, true});
  session_.ChannelOpened();
  Exchange();
  EXPECT_EQ(session_.phase(), Phase::kLive);
  session_.Deliver(Entry(1));
  Exchange();
  EXPECT_THAT(IdsJudged(), ElementsAre(1));
  guest_.RestartAgent();
  Exchange();
  EXPECT_EQ(guest_.recalls_heard(), 2u);
}

TEST_F(SessionTest, AnswersAPingAndPassesStatsOn) {
  GoLive();
  GuestSays(protocol::Ping{});
  EXPECT_GT(port_.size(), 0u);
  protocol::Stats stats;
  stats.retired_bytes = 8192;
  GuestSays(stats);
  ASSERT_THAT(listener_.stats_heard, SizeIs(1));
  EXPECT_EQ(listener_.stats_heard[0].retired_bytes, 8192u);
}

TEST_F(SessionTest, PassesOnWhatRanBeforeTheKernel) {
  GoLive();
  GuestSays(protocol::BeforeKernel{protocol::ListResult::kFailedTwice, 2, 9, 0});
  ASSERT_THAT(listener_.before_kernel_heard, SizeIs(1));
  EXPECT_EQ(listener_.before_kernel_heard[0].result, protocol::ListResult::kFailedTwice);
  EXPECT_EQ(listener_.before_kernel_heard[0].listed_pages, 9u);
}

TEST_F(SessionTest, ReplaySendsAnsweredPagesOnceMore) {
  GoLive({Entry(1), Entry(2)});
  session_.Replay();
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 2, 1, 2));
  EXPECT_THAT(IdsJudged(), ElementsAre(1, 2)) << "no news";
  EXPECT_EQ(session_.unanswered_entries(), 0u) << "the guest says again what it said";
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(SessionTest, KnowsTheFinalWordOfThisBootOnEachPieceOfAnEntry) {
  guest_.set_decide([](const PoisonEntry&) { return std::vector<VerdictRecord>{}; });
  const PoisonEntry two{1, Page(2, 2), Evidence::kConsumed, false};
  KnowWanted({two, Entry(5)});
  session_.ChannelOpened();
  Exchange();
  EXPECT_FALSE(session_.HasFinalWord(1, Page(2)));
  VerdictRecord record = Record(1, Outcome::kInKernel);
  record.range = Page(2);
  GuestJudges({record});
  EXPECT_TRUE(session_.HasFinalWord(1, Page(2)));
  EXPECT_FALSE(session_.HasFinalWord(1, Page(3)));
  EXPECT_FALSE(session_.HasFinalWord(1, Page(2, 2)));
  EXPECT_FALSE(session_.HasFinalWord(7, Page(2))) << "no such entry";
  GuestJudges({Record(5, Outcome::kDeferred)});
  EXPECT_FALSE(session_.HasFinalWord(5, Page(10)));
  GuestReboots(kSecondBoot);
  EXPECT_FALSE(session_.HasFinalWord(1, Page(2))) << "another boot";
}

TEST_F(SessionTest, ReplayWithoutASessionWaitsForTheNextOne) {
  GoLive({Entry(1)});
  session_.ChannelClosed();
  session_.Replay();
  EXPECT_EQ(session_.NextDeadline(), std::nullopt);
  session_.ChannelOpened();
  guest_.SayHello();
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 1));
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

}  // namespace
}  // namespace seaward::session
