// Time, bounds and ports that refuse.
#include "host-notifier/session/session_fixture.h"
#include "protocol/format.h"

namespace seaward::session {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

using SessionTiming = SessionFixture;

TEST_F(SessionTiming, AsksForAHelloWithBackoffAndNotForEver) {
  session_.ChannelOpened();
  const std::size_t call = protocol::kHeaderBytes;
  EXPECT_EQ(port_.size(), call);
  Pass(999ms);
  EXPECT_EQ(port_.size(), call);
  Pass(1ms);
  EXPECT_EQ(port_.size(), 2 * call);
  Pass(1999ms);
  EXPECT_EQ(port_.size(), 2 * call);
  Pass(1ms);
  EXPECT_EQ(port_.size(), 3 * call);
  Pass(24h);
  EXPECT_EQ(port_.size(), 64 * call) << "a channel that nobody reads must not fill";
  EXPECT_EQ(session_.NextDeadline(), std::nullopt);
  KnowWanted();
  Exchange();
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(SessionTiming, RepeatsWhatIsNotAnsweredWithBackoff) {
  GoLive();
  guest_.set_answering(false);
  session_.Deliver(Entry(1));
  Exchange();
  for (const auto wait : {1s, 2s, 4s, 8s, 16s, 30s, 30s}) {
    const std::size_t heard = guest_.entries_heard().size();
    Pass(wait - 1ms);
    Exchange();
    EXPECT_THAT(guest_.entries_heard(), SizeIs(heard));
    Pass(1ms);
    Exchange();
    EXPECT_THAT(guest_.entries_heard(), SizeIs(heard + 1)) << wait.count();
  }
  guest_.set_answering(true);
  Pass(30s);
  Exchange();
  EXPECT_THAT(IdsJudged(), ElementsAre(1));
  EXPECT_EQ(session_.NextDeadline(), std::nullopt);
  EXPECT_EQ(session_.outstanding_bytes(), 0u);
}

TEST_F(SessionTiming, NeverMoreThanTheLimitIsOutstandingAndAllArrivesInTheEnd) {
  std::vector<PoisonEntry> many;
  for (std::uint64_t id = 1; id <= 5000; ++id) many.push_back(Entry(id));
  KnowWanted(many);
  session_.ChannelOpened();
  for (int round = 0; round < 1000 && session_.phase() != Phase::kLive; ++round) {
    EXPECT_LE(session_.outstanding_bytes(), 32u * 1024);
    const auto to_guest = port_.Take();
    EXPECT_LE(to_guest.size(), 32u * 1024);
    guest_.Receive(to_guest);
    session_.BytesReceived(guest_.TakeOutput());
  }
  EXPECT_EQ(session_.phase(), Phase::kLive);
  EXPECT_THAT(IdsJudged(), SizeIs(5000));
  EXPECT_THAT(IdsHeard(), SizeIs(5000)) << "nothing was sent twice";
}

TEST_F(SessionTiming, AGuestThatNeverReadsGetsAFewPingsBeyondTheLimit) {
  std::vector<PoisonEntry> many;
  for (std::uint64_t id = 1; id <= 5000; ++id) many.push_back(Entry(id));
  guest_.set_answering(false);
  KnowWanted(many);
  session_.ChannelOpened();
  Exchange();
  Pass(48h);
  EXPECT_LE(session_.outstanding_bytes(), 32u * 1024 + 64 * protocol::kHeaderBytes);
  EXPECT_LE(port_.size(), 64 * protocol::kHeaderBytes);
}

TEST_F(SessionTiming, APortThatRefusesGetsTheFrameLater) {
  GoLive();
  port_.Refuse(true);
  EXPECT_EQ(session_.Deliver(Entry(1)), Delivery::kQueued);
  ASSERT_TRUE(session_.NextDeadline());
  EXPECT_LE(*session_.NextDeadline() - clock_.Now(), 100ms);
  Pass(500ms);
  port_.Refuse(false);
  Pass(100ms);
  Exchange();
  EXPECT_THAT(IdsJudged(), ElementsAre(1));
  port_.Refuse(true);
  session_.Deliver(Entry(2));
  port_.Refuse(false);
  session_.ChannelWritable();
  EXPECT_GT(port_.size(), 0u) << "at once";
  Exchange();
  EXPECT_THAT(listener_.faults, IsEmpty()) << "a refused frame leaves no gap in the sequence";
}

TEST_F(SessionTiming, ARefusingPortLosesNothingWhileAGuestIsGreeted) {
  KnowWanted({Entry(1), Entry(2)});
  port_.Refuse(true);
  session_.ChannelOpened();
  guest_.SayHello();
  session_.BytesReceived(guest_.TakeOutput());
  EXPECT_EQ(session_.phase(), Phase::kSyncing);
  port_.Refuse(false);
  Pass(50ms);
  Exchange();
  EXPECT_EQ(session_.phase(), Phase::kLive);
  EXPECT_THAT(IdsJudged(), ElementsAre(1, 2));
}

TEST_F(SessionTiming, ADeferredPageStaysAnsweredUntilTheGuestOwesItsNextTry) {
  guest_.set_decide([](const PoisonEntry& entry) {
    VerdictRecord record = Record(entry.id, Outcome::kDeferred);
    record.next_try = 5s;
    return std::vector<VerdictRecord>{record};
  });
  GoLive({Entry(1)});
  EXPECT_EQ(session_.unanswered_entries(), 0u);
  Pass(34s);
  EXPECT_EQ(port_.size(), 0u);
  GuestJudges({Record(1, Outcome::kRetired)});
  EXPECT_THAT(listener_.verdicts, SizeIs(2));
  EXPECT_EQ(session_.NextDeadline(), std::nullopt);
}

TEST_F(SessionTiming, ADeferralWithoutASequelIsAskedForAgain) {
  guest_.set_decide([](const PoisonEntry& entry) {
    VerdictRecord record = Record(entry.id, Outcome::kDeferred);
    record.next_try = 5s;
    return std::vector<VerdictRecord>{record};
  });
  GoLive({Entry(1)});
  Pass(35s);
  Exchange();
  EXPECT_THAT(IdsHeard(), ElementsAre(1, 1));
}

TEST_F(SessionTiming, VerdictsAreOverdueAfterAMinuteWithoutNewsAndToldOnce) {
  guest_.set_answering(false);
  KnowWanted({Entry(1), Entry(2)});
  session_.ChannelOpened();
  Exchange();
  Pass(59s);
  EXPECT_THAT(listener_.overdue, IsEmpty());
  EXPECT_EQ(session_.overdue_entries(), 0u);
  Pass(10h);
  EXPECT_THAT(listener_.overdue, ElementsAre(2));
  EXPECT_EQ(session_.overdue_entries(), 2u);
  GuestJudges({Record(1, Outcome::kRetired)});
  EXPECT_EQ(session_.overdue_entries(), 0u) << "there is news, the rest has another minute";
  Pass(60s);
  EXPECT_THAT(listener_.overdue, ElementsAre(2, 1));
  GuestJudges({Record(2, Outcome::kRetired)});
  EXPECT_EQ(session_.overdue_entries(), 0u);
}

TEST_F(SessionTiming, AGuestWithoutAnAgentOwesItsVerdictsToo) {
  KnowWanted({Entry(1)});
  session_.ChannelOpened();
  Pass(1h);
  EXPECT_THAT(listener_.overdue, ElementsAre(1));
  session_.ChannelClosed();
  EXPECT_EQ(session_.overdue_entries(), 0u) << "nobody is there";
}

class SessionHeartbeat : public SessionFixture {
 protected:
  SessionHeartbeat()
      : SessionFixture([] {
          SessionLimits limits;
          limits.heartbeat = 10s;
          return limits;
        }()) {}
};

TEST_F(SessionHeartbeat, PingsASilentGuestAndStaysLiveWhenItAnswers) {
  GoLive({Entry(1)});
  EXPECT_EQ(guest_.welcome()->heartbeat, 10s);
  Pass(10s);
  EXPECT_EQ(session_.phase(), Phase::kProbing);
  Exchange();
  EXPECT_EQ(guest_.pings_heard(), 1u);
  EXPECT_EQ(session_.phase(), Phase::kLive);
  EXPECT_THAT(listener_.synced, SizeIs(1)) << "reported once per session";
}

TEST_F(SessionHeartbeat, IsSilentUntilItPassed) {
  GoLive({Entry(1)});
  for (int i = 0; i < 5; ++i) {
    Pass(9999ms);
    EXPECT_EQ(port_.size(), 0u);
    GuestSays(protocol::Stats{});
  }
  EXPECT_EQ(guest_.pings_heard(), 0u) << "a guest that speaks needs no ping";
}

TEST_F(SessionHeartbeat, CallsALostGuestAndServesItWhenItComesBack) {
  GoLive({Entry(1)});
  guest_.set_answering(false);
  Pass(20s);
  EXPECT_EQ(session_.phase(), Phase::kLost);
  EXPECT_EQ(session_.Deliver(Entry(2)), Delivery::kSent) << "it may be paused, not dead";
  guest_.set_answering(true);
  Exchange();
  EXPECT_EQ(session_.phase(), Phase::kLive);
  EXPECT_EQ(guest_.calls_heard(), 2u);
  EXPECT_THAT(IdsJudged(), ElementsAre(1, 2));
}

TEST_F(SessionHeartbeat, ALostGuestCostsBoundedBytes) {
  GoLive();
  Pass(48h);
  EXPECT_EQ(session_.phase(), Phase::kLost);
  EXPECT_LE(port_.size(), 66 * protocol::kHeaderBytes);
  EXPECT_EQ(session_.NextDeadline(), std::nullopt);
}

class SessionSmall : public SessionFixture {
 protected:
  SessionSmall()
      : SessionFixture([] {
          SessionLimits limits;
          limits.max_entries = 10;
          limits.outstanding_bytes = 1;
          limits.max_verdict_pieces = 8;
          return limits;
        }()) {}
};

TEST_F(SessionSmall, OneEntryAtATimeTravelsUnderTheSmallestLimit) {
  GoLive({Entry(1), Entry(2), Entry(3)});
  EXPECT_THAT(IdsJudged(), ElementsAre(1, 2, 3));
}

TEST_F(SessionSmall, RefusesMorePagesThanTheLimit) {
  GoLive();
  for (std::uint64_t id = 1; id <= 10; ++id)
    EXPECT_NE(session_.Deliver(Entry(id)), Delivery::kRefused);
  EXPECT_EQ(session_.Deliver(Entry(11)), Delivery::kRefused);
  EXPECT_EQ(session_.Deliver(Entry(10)), Delivery::kKnown);
}

TEST_F(SessionSmall, RefusesMoreVerdictPiecesThanTheLimit) {
  guest_.set_decide([](const PoisonEntry&) { return std::vector<VerdictRecord>{}; });
  KnowWanted({{1, Page(0, 64), Evidence::kConsumed, false}});
  session_.ChannelOpened();
  Exchange();
  for (std::uint64_t i = 0; i < 64; i += 2) {
    VerdictRecord record = Record(1, Outcome::kRetired);
    record.range = Page(i);
    GuestJudges({record});
  }
  EXPECT_GT(session_.faults(ProtocolFault::kTooManyPieces), 0u);
  EXPECT_LE(listener_.verdicts.size(), 8u);
}

}  // namespace
}  // namespace seaward::session
