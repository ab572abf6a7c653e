#include "guest-agent/session/agent_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/fake_clock.h"
#include "guest-agent/retire/fake_kernel.h"

namespace seaward::agent {
namespace {

using namespace protocol;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Use = FakeKernel::Use;

constexpr GuestPhysAddr kPage{0x40300000};

// The agent in one guest boot, and a host that speaks to it frame by frame.
class AgentSessionTest : public testing::Test, public SessionEdge {
 protected:
  AgentSessionTest() { GuestBoots(); }

  void GuestBoots() {
    identity_.boot_id.bytes[0] = static_cast<std::byte>(++boots_);
    kernel_ = std::make_unique<FakeKernel>();
    retirer_ =
        std::make_unique<PageRetirer>(*kernel_, *kernel_, record_, clock_, PageSize{}, Stage::kRun);
    desk_ = std::make_unique<RetirementDesk>(*kernel_, *retirer_, clock_, RetirementLimits{});
    session_ = std::make_unique<AgentSession>(identity_, SessionLimits{}, clock_, *desk_, *this);
  }

  // Host side.
  void HostSays(const Message& message, Nonce nonce, std::uint32_t sequence) {
    session_->BytesReceived(EncodeFrame(message, nonce, sequence).value());
    AgentWorks();
  }
  void HostSays(const Message& message) { HostSays(message, hello_nonce_, ++host_sequence_); }
  void HostConnectsAndAcks() {
    session_->HostConnected();
    host_sequence_ = 0;
    HostSays(HelloAck{.incarnation = incarnation_});
    ASSERT_EQ(session_->phase(), SessionPhase::kLive);
  }
  void HostReports(std::uint64_t id, GuestPhysAddr page, Evidence evidence = Evidence::kConsumed,
                   bool replay = false) {
    HostSays(Poison{{Entry(id, page, evidence, replay)}});
  }
  static PoisonEntry Entry(std::uint64_t id, GuestPhysAddr page,
                           Evidence evidence = Evidence::kConsumed, bool replay = false) {
    return PoisonEntry{id, ByteRange::Granule(page), evidence, replay};
  }
  void AgentWorks() {
    for (int i = 0; i < 1000 && session_->HasWork(); ++i) session_->Work();
    session_->Work();
  }
  template <class T>
  std::vector<T> Heard() const {
    std::vector<T> out;
    for (const auto& [nonce, message] : heard_)
      if (const T* it = std::get_if<T>(&message)) out.push_back(*it);
    return out;
  }
  std::vector<VerdictRecord> Verdicts() const {
    std::vector<VerdictRecord> out;
    for (const Verdict& verdict : Heard<Verdict>())
      out.insert(out.end(), verdict.records.begin(), verdict.records.end());
    return out;
  }

  // The edge.
  bool SendFrame(std::span<const std::byte> bytes) override {
    if (port_full_) return false;
    FrameReader reader;
    reader.Feed(bytes, [this](const Frame& frame) {
      if (frame.header.type == MessageType::kHello) hello_nonce_ = frame.header.nonce;
      heard_.emplace_back(frame.header.nonce, Decode(frame).value());
    });
    return true;
  }
  std::uint64_t ChooseNonce() override { return ++nonces_ * 0x1000; }
  std::uint64_t HardwareCorruptedBytes() override { return 4096; }
  void OnLive(const HelloAck&) override { ++lives_; }
  void OnProgress(const RetirementProgress&) override {}
  std::vector<KnownRecord> KnownPages() override { return known_; }
  void OnSynced() override { ++syncs_; }
  void OnForgotten(const ByteRange& range) override { forgotten_.push_back(range); }

  FakeClock clock_;
  NoRecord record_;
  AgentIdentity identity_{.boot_id = {},
                          .machine = {},
                          .incarnation = {},
                          .stage = Stage::kRun,
                          .page_size = {},
                          .version = "1"};
  Uuid incarnation_{{std::byte{7}}};
  std::unique_ptr<FakeKernel> kernel_;
  std::unique_ptr<PageRetirer> retirer_;
  std::unique_ptr<RetirementDesk> desk_;
  std::unique_ptr<AgentSession> session_;
  std::vector<std::pair<Nonce, Message>> heard_;
  std::vector<ByteRange> forgotten_;
  Nonce hello_nonce_ = Nonce::kNone;
  std::uint32_t host_sequence_ = 0;
  std::uint64_t nonces_ = 0;
  std::vector<KnownRecord> known_;
  int boots_ = 0;
  int lives_ = 0;
  int syncs_ = 0;
  bool port_full_ = false;
};

TEST_F(AgentSessionTest, SaysHelloWhenTheHostConnects) {
  EXPECT_FALSE(session_->NextDeadline()) << "nothing to wait for without a host";
  session_->HostConnected();
  const auto hellos = Heard<Hello>();
  ASSERT_THAT(hellos, SizeIs(1));
  EXPECT_EQ(hellos[0].boot_id, identity_.boot_id);
  EXPECT_EQ(hellos[0].entries, 0u);
  EXPECT_NE(hello_nonce_, Nonce::kNone);
}

TEST_F(AgentSessionTest, RepeatsTheHelloWithGrowingDistanceUntilItIsAnswered) {
  session_->HostConnected();
  for (const auto delay : {milliseconds(250), milliseconds(500), milliseconds(1000)}) {
    EXPECT_EQ(session_->NextDeadline(), clock_.Now() + delay);
    clock_.Advance(delay);
    session_->Work();
  }
  EXPECT_THAT(Heard<Hello>(), SizeIs(4));
  for (int i = 0; i < 20; ++i) {
    clock_.Advance(seconds(30));
    session_->Work();
  }
  EXPECT_LE(*session_->NextDeadline(), clock_.Now() + seconds(30));
  HostSays(HelloAck{.incarnation = incarnation_});
  EXPECT_EQ(session_->phase(), SessionPhase::kLive);
  EXPECT_FALSE(session_->NextDeadline()) << "idle: no wake-ups";
}

TEST_F(AgentSessionTest, AnAnswerToAnEarlierHelloOfTheSameGreetingIsGood) {
  session_->HostConnected();
  const Nonce first = hello_nonce_;
  clock_.Advance(milliseconds(250));
  session_->Work();
  ASSERT_NE(hello_nonce_, first);
  HostSays(HelloAck{.incarnation = incarnation_}, first, 1);
  EXPECT_EQ(session_->phase(), SessionPhase::kLive);
  HostSays(HelloAck{.incarnation = incarnation_}, hello_nonce_, 1);
  HostSays(Poison{{Entry(1, kPage)}}, hello_nonce_, 2);
  EXPECT_THAT(Verdicts(), SizeIs(1));
  EXPECT_EQ(heard_.back().first, hello_nonce_);
}

TEST_F(AgentSessionTest, RetiresAndAnswersWithinTheSession) {
  HostConnectsAndAcks();
  HostReports(9, kPage);
  ASSERT_THAT(Verdicts(), SizeIs(1));
  EXPECT_EQ(Verdicts()[0].id, 9u);
  EXPECT_EQ(Verdicts()[0].outcome, Outcome::kRetired);
  EXPECT_THAT(kernel_->writes(), SizeIs(1));
  EXPECT_FALSE(session_->NextDeadline());
}

TEST_F(AgentSessionTest, GreetsAgainWithoutAPageThatTheKernelForgotAndNowUsesItself) {
  HostConnectsAndAcks();
  HostReports(9, kPage);
  kernel_->Forgets(kPage);
  kernel_->Holds(kPage, FakeKernel::Use::kSlab);
  session_->Reverify();
  AgentWorks();
  EXPECT_THAT(Heard<Hello>(), SizeIs(1)) << "not at once after the last one";
  ASSERT_TRUE(session_->NextDeadline());
  clock_.Advance(*session_->NextDeadline() - clock_.Now());
  AgentWorks();
  const auto hellos = Heard<Hello>();
  ASSERT_THAT(hellos, SizeIs(2));
  EXPECT_EQ(hellos.back().entries, 0u);
}

TEST_F(AgentSessionTest, APageThatLeftTheKernelIsToldAgainInTheNextSession) {
  HostConnectsAndAcks();
  kernel_->Holds(kPage, FakeKernel::Use::kPageTable);
  HostReports(9, kPage);
  session_->HostGone();
  kernel_->NowHolds(kPage, FakeKernel::Use::kKernelPlain);
  clock_.Advance(seconds(1));
  AgentWorks();
  heard_.clear();
  HostConnectsAndAcks();
  ASSERT_THAT(Verdicts(), SizeIs(1));
  EXPECT_EQ(Verdicts()[0].outcome, Outcome::kRetired);
}

TEST_F(AgentSessionTest, TellsLossesInFramesThatHoldThemAndOnlyToAHostThatListens) {
  protocol::Losses losses;
  for (std::uint64_t id = 1; id <= 30; ++id)
    losses.losses.push_back({.id = id,
                             .range = ByteRange::Granule(kPage),
                             .lost_bytes = 4096,
                             .pid = 7,
                             .comm = "postgres"});
  session_->TellLosses(losses);
  EXPECT_THAT(Heard<protocol::Losses>(), IsEmpty());
  HostConnectsAndAcks();
  session_->TellLosses(losses);
  const auto heard = Heard<protocol::Losses>();
  ASSERT_THAT(heard, SizeIs(2));
  EXPECT_EQ(heard[0].losses.size() + heard[1].losses.size(), 30u);
}

TEST_F(AgentSessionTest, DuplicatesGetTheFirstVerdictAgain) {
  HostConnectsAndAcks();
  for (int i = 0; i < 5; ++i) HostReports(9, kPage);
  EXPECT_THAT(kernel_->writes(), SizeIs(1));
  ASSERT_THAT(Verdicts(), SizeIs(5));
  for (const VerdictRecord& record : Verdicts()) EXPECT_EQ(record.outcome, Outcome::kRetired);
}

TEST_F(AgentSessionTest, StaleFramesOfThePreviousBootRetireNothing) {
  HostConnectsAndAcks();
  const Nonce earlier = hello_nonce_;
  const auto stale_ack = EncodeFrame(HelloAck{.incarnation = incarnation_}, earlier, 1).value();
  const auto stale = EncodeFrame(Poison{{Entry(1, kPage)}}, earlier, 3).value();
  GuestBoots();
  for (const bool live : {false, true}) {
    if (live) HostConnectsAndAcks();
    const auto rejected = session_->rejected_frames();
    session_->BytesReceived(stale_ack);
    session_->BytesReceived(stale);
    AgentWorks();
    EXPECT_EQ(session_->rejected_frames(), rejected + 2);
    EXPECT_THAT(kernel_->writes(), IsEmpty());
  }
  EXPECT_EQ(session_->phase(), SessionPhase::kLive);
}

TEST_F(AgentSessionTest, FramesBeforeTheAckRetireNothing) {
  session_->HostConnected();
  HostSays(Poison{{Entry(1, kPage)}});
  EXPECT_THAT(kernel_->writes(), IsEmpty());
}

TEST_F(AgentSessionTest, AReplayedFrameIsTakenOnce) {
  HostConnectsAndAcks();
  HostSays(Poison{{Entry(1, kPage)}}, hello_nonce_, 7);
  HostSays(Poison{{Entry(2, GuestPhysAddr{kPage.value + 4096})}}, hello_nonce_, 7);
  HostSays(Poison{{Entry(3, GuestPhysAddr{kPage.value + 8192})}}, hello_nonce_, 6);
  EXPECT_THAT(kernel_->writes(), SizeIs(1));
  EXPECT_EQ(session_->rejected_frames(), 2u);
}

TEST_F(AgentSessionTest, GarbageBetweenFramesIsSkippedAndCounted) {
  HostConnectsAndAcks();
  std::mt19937 random(20261122);
  std::vector<std::byte> garbage(10000);
  for (std::byte& b : garbage) b = static_cast<std::byte>(random());
  session_->BytesReceived(garbage);
  HostReports(1, kPage);
  EXPECT_THAT(kernel_->writes(), ElementsAre(FakeKernel::Write{Verb::kHard, kPage}));
  EXPECT_EQ(session_->dropped_bytes(), garbage.size());
}

TEST_F(AgentSessionTest, AFlippedBitNeverRetiresAPage) {
  HostConnectsAndAcks();
  const auto frame = EncodeFrame(Poison{{Entry(1, kPage)}}, hello_nonce_, 2).value();
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    auto torn = frame;
    torn[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    session_->BytesReceived(torn);
    AgentWorks();
    session_->BytesReceived(std::vector<std::byte>(8192));
  }
  EXPECT_THAT(kernel_->writes(), IsEmpty());
}

TEST_F(AgentSessionTest, AFloodOfHelloRequestsCostsFewHellos) {
  session_->HostConnected();
  for (int i = 0; i < 1000; ++i) {
    HostSays(HelloRequest{}, Nonce::kNone, static_cast<std::uint32_t>(i + 1));
    clock_.Advance(milliseconds(1));
  }
  EXPECT_LE(Heard<Hello>().size(), 4u);
}

TEST_F(AgentSessionTest, ARequestThatCrossedTheHelloIsNotAnswered) {
  session_->HostConnected();
  HostSays(HelloRequest{}, Nonce::kNone, 1);
  EXPECT_THAT(Heard<Hello>(), SizeIs(1));
  HostSays(HelloAck{.incarnation = incarnation_});
  EXPECT_EQ(session_->phase(), SessionPhase::kLive);
}

TEST_F(AgentSessionTest, AHostThatStartsAnewGetsANewSession) {
  HostConnectsAndAcks();
  const Nonce before = hello_nonce_;
  clock_.Advance(seconds(1));
  HostSays(HelloRequest{}, Nonce::kNone, 1);
  EXPECT_NE(hello_nonce_, before);
  EXPECT_EQ(session_->phase(), SessionPhase::kGreeting);
  HostSays(Poison{{Entry(1, kPage)}}, before, 50);
  EXPECT_THAT(kernel_->writes(), IsEmpty()) << "the session before is over";
  host_sequence_ = 0;
  HostSays(HelloAck{.incarnation = incarnation_});
  HostReports(1, kPage);
  EXPECT_THAT(Verdicts(), SizeIs(1));
}

TEST_F(AgentSessionTest, GreetsAgainAHostThatAnsweredAnOldHelloInTheMidstOfTheSession) {
  HostConnectsAndAcks();
  const Nonce ours = hello_nonce_;
  const Nonce earlier_boots{0x77};
  HostSays(HelloAck{.incarnation = incarnation_}, earlier_boots, 1);
  EXPECT_THAT(Heard<Hello>(), SizeIs(1)) << "not sooner than the host takes another";
  ASSERT_TRUE(session_->NextDeadline());
  clock_.Advance(*session_->NextDeadline() - clock_.Now());
  AgentWorks();
  EXPECT_THAT(Heard<Hello>(), SizeIs(2));
  EXPECT_NE(hello_nonce_, ours);
  host_sequence_ = 0;
  HostSays(HelloAck{.incarnation = incarnation_});
  HostReports(1, GuestPhysAddr{0x1000});
  EXPECT_THAT(Verdicts(), SizeIs(1));
  EXPECT_FALSE(session_->NextDeadline()) << "once is enough";
}

TEST_F(AgentSessionTest, AnAckOfItsOwnSessionThatIsRepeatedMakesItGreetNobody) {
  HostConnectsAndAcks();
  HostSays(HelloAck{.incarnation = incarnation_}, hello_nonce_, 1);
  EXPECT_FALSE(session_->NextDeadline());
  EXPECT_THAT(Heard<Hello>(), SizeIs(1));
}

TEST_F(AgentSessionTest, AnEmptySetIsSyncedAtOnce) {
  HostConnectsAndAcks();
  HostSays(Sync{});
  EXPECT_EQ(syncs_, 1);
  EXPECT_THAT(Heard<Sync>(), SizeIs(1));
  EXPECT_THAT(Heard<Stats>(), SizeIs(1));
  EXPECT_TRUE(session_->Settled());
}

TEST_F(AgentSessionTest, SyncsWhenTheLastReplayedPageIsDealtWith) {
  PageSet wanted;
  wanted.Insert(ByteRange::Granule(kPage));
  wanted.Insert(ByteRange::Granule(GuestPhysAddr{kPage.value + 0x10000}));
  HostConnectsAndAcks();
  HostSays(Sync{wanted.digest(), wanted.entries()});
  EXPECT_FALSE(session_->Settled());
  HostReports(1, kPage, Evidence::kConsumed, true);
  EXPECT_EQ(syncs_, 0);
  HostReports(2, GuestPhysAddr{kPage.value + 0x10000}, Evidence::kLatent, true);
  EXPECT_EQ(syncs_, 1);
  EXPECT_EQ(Heard<Sync>().at(0).digest, wanted.digest());

  // A host that comes back in the same boot finds its own digest in the Hello.
  session_->HostGone();
  clock_.Advance(seconds(1));
  HostConnectsAndAcks();
  EXPECT_EQ(Heard<Hello>().back().digest, wanted.digest());
  EXPECT_EQ(Heard<Hello>().back().entries, wanted.entries());
  HostSays(Sync{wanted.digest(), wanted.entries()});
  EXPECT_EQ(syncs_, 2) << "nothing needs to travel";
}

TEST_F(AgentSessionTest, TakesItsOwnSetAsGivenAndHearsOnlyTheRest) {
  PageSet wanted;
  wanted.Insert(ByteRange::Granule(kPage));
  HostConnectsAndAcks();
  HostSays(Sync{wanted.digest(), wanted.entries()});
  HostReports(1, kPage, Evidence::kConsumed, true);
  const PageSet common = wanted;
  session_->HostGone();
  clock_.Advance(seconds(1));

  HostConnectsAndAcks();
  wanted.Insert(ByteRange::Granule(GuestPhysAddr{kPage.value + 0x8000}));
  HostSays(Sync{common.digest(), common.entries()});
  HostSays(Sync{wanted.digest(), wanted.entries()});
  HostReports(2, GuestPhysAddr{kPage.value + 0x8000});
  EXPECT_EQ(syncs_, 2) << "once a session";
  EXPECT_TRUE(session_->Settled());
  EXPECT_EQ(Heard<Sync>().back().entries, 1u);
}

TEST_F(AgentSessionTest, ComparesWithTheNewestSetOfTheHost) {
  PageSet wanted;
  HostConnectsAndAcks();
  wanted.Insert(ByteRange::Granule(kPage));
  HostSays(Sync{wanted.digest(), wanted.entries()});
  wanted.Insert(ByteRange::Granule(GuestPhysAddr{kPage.value + 0x8000}));
  HostSays(Sync{wanted.digest(), wanted.entries()});
  HostReports(1, kPage, Evidence::kConsumed, true);
  EXPECT_EQ(syncs_, 0);
  HostReports(2, GuestPhysAddr{kPage.value + 0x8000});
  EXPECT_EQ(syncs_, 1);
}

TEST_F(AgentSessionTest, ARepeatedAckChangesTheIncarnationAndNothingElse) {
  HostConnectsAndAcks();
  const Nonce nonce = hello_nonce_;
  HostSays(HelloAck{.incarnation = Uuid{{std::byte{9}}}});
  EXPECT_EQ(lives_, 2);
  EXPECT_EQ(hello_nonce_, nonce);
  HostReports(1, kPage);
  EXPECT_THAT(Verdicts(), SizeIs(1));
}

TEST_F(AgentSessionTest, ADeferredPageHasItsVerdictAndHoldsUpNothing) {
  kernel_->Holds(kPage, Use::kPinned);
  PageSet wanted;
  wanted.Insert(ByteRange::Granule(kPage));
  HostConnectsAndAcks();
  HostSays(Sync{wanted.digest(), wanted.entries()});
  HostReports(1, kPage, Evidence::kConsumed, true);
  EXPECT_EQ(syncs_, 1);
  EXPECT_EQ(Heard<Sync>().at(0).entries, 0u) << "not dealt with for good";
  EXPECT_TRUE(session_->Settled());
  clock_.Advance(seconds(1));
  AgentWorks();
  EXPECT_EQ(Verdicts().back().outcome, Outcome::kRetired);
}

TEST_F(AgentSessionTest, ALateVerdictIsToldAgainToAHostThatWasAway) {
  kernel_->Holds(kPage, Use::kPinned);
  HostConnectsAndAcks();
  HostReports(1, kPage);
  EXPECT_EQ(Verdicts().back().outcome, Outcome::kDeferred);
  session_->HostGone();
  clock_.Advance(seconds(1));
  AgentWorks();
  EXPECT_THAT(Verdicts(), SizeIs(1)) << "nobody to tell";
  HostConnectsAndAcks();
  ASSERT_THAT(Verdicts(), SizeIs(2));
  EXPECT_EQ(Verdicts().back().outcome, Outcome::kRetired);
}

TEST_F(AgentSessionTest, VerdictsWaitForAFullPort) {
  HostConnectsAndAcks();
  port_full_ = true;
  HostReports(1, kPage);
  EXPECT_THAT(Verdicts(), IsEmpty());
  ASSERT_TRUE(session_->NextDeadline());
  port_full_ = false;
  clock_.Advance(milliseconds(20));
  session_->Work();
  EXPECT_THAT(Verdicts(), SizeIs(1));
  EXPECT_FALSE(session_->NextDeadline());
}

TEST_F(AgentSessionTest, PredictedErrorsStayOutOfTheDigest) {
  HostConnectsAndAcks();
  HostReports(1, kPage, Evidence::kPredicted);
  session_->HostGone();
  clock_.Advance(seconds(1));
  session_->HostConnected();
  EXPECT_EQ(Heard<Hello>().back().entries, 0u);
}

TEST_F(AgentSessionTest, ClearMakesTheAgentForget) {
  HostConnectsAndAcks();
  HostReports(1, kPage);
  HostSays(Clear{{ByteRange::Granule(kPage)}});
  EXPECT_THAT(forgotten_, ElementsAre(ByteRange::Granule(kPage)));
  session_->HostGone();
  clock_.Advance(seconds(1));
  session_->HostConnected();
  EXPECT_EQ(Heard<Hello>().back().entries, 0u);
}

TEST_F(AgentSessionTest, TellsAHostThatAsksAllThatItKnows) {
  for (std::uint64_t i = 0; i <= kMaxKnownRecords; ++i)
    known_.push_back({ByteRange::Granule(GuestPhysAddr{i * 8192}), Evidence::kLatent, i == 0});
  HostConnectsAndAcks();
  HostSays(Recall{});
  const auto answer = Heard<Known>();
  ASSERT_THAT(answer, SizeIs(2));
  EXPECT_THAT(answer[0].records, SizeIs(kMaxKnownRecords));
  EXPECT_TRUE(answer[0].records[0].this_boot);
  EXPECT_FALSE(answer[0].last);
  EXPECT_TRUE(answer[1].last);
}

TEST_F(AgentSessionTest, TheAnswerToARecallWaitsForAFullPortAndEndsWithItsSession) {
  HostConnectsAndAcks();
  port_full_ = true;
  HostSays(Recall{});
  EXPECT_THAT(Heard<Known>(), IsEmpty());
  port_full_ = false;
  ASSERT_TRUE(session_->NextDeadline());
  AgentWorks();
  EXPECT_THAT(Heard<Known>(), SizeIs(1)) << "knows nothing, and says so";
  port_full_ = true;
  HostSays(Recall{});
  session_->HostGone();
  port_full_ = false;
  HostConnectsAndAcks();
  EXPECT_THAT(Heard<Known>(), SizeIs(1)) << "of a host that is gone";
}

TEST_F(AgentSessionTest, ARecallBeforeTheAckIsNotAnswered) {
  session_->HostConnected();
  HostSays(Recall{}, hello_nonce_, 1);
  EXPECT_THAT(Heard<Known>(), IsEmpty());
  EXPECT_EQ(session_->rejected_frames(), 1u);
}

TEST_F(AgentSessionTest, AnswersAPingWithPongAndStats) {
  HostConnectsAndAcks();
  HostReports(1, kPage);
  HostSays(Ping{});
  EXPECT_THAT(Heard<Pong>(), SizeIs(1));
  ASSERT_THAT(Heard<Stats>(), SizeIs(1));
  EXPECT_EQ(Heard<Stats>()[0].retired_bytes, 4096u);
  EXPECT_EQ(Heard<Stats>()[0].hardware_corrupted_bytes, 4096u);
}

TEST_F(AgentSessionTest, WhatOnlyAGuestSaysIsRejected) {
  HostConnectsAndAcks();
  HostSays(Hello{.boot_id = incarnation_, .machine = {}, .incarnation = {}, .agent_version = {}});
  HostSays(Stats{});
  EXPECT_EQ(session_->rejected_frames(), 2u);
  EXPECT_EQ(session_->phase(), SessionPhase::kLive);
}

TEST_F(AgentSessionTest, AFloodOfReportsIsBoundedAndTheHostSendsTheRestAgain) {
  HostConnectsAndAcks();
  // The agent is kept from working while 100 full frames arrive.
  std::uint64_t id = 1;
  for (int frame = 0; frame < 100; ++frame) {
    Poison poison;
    for (std::size_t i = 0; i < kMaxPoisonEntries; ++i, ++id)
      poison.entries.push_back(Entry(id, GuestPhysAddr{0x40000000 + id * 4096}));
    session_->BytesReceived(EncodeFrame(poison, hello_nonce_, ++host_sequence_).value());
  }
  AgentWorks();
  EXPECT_LE(kernel_->writes().size(), RetirementLimits{}.queue_capacity);
  HostReports(id, GuestPhysAddr{0x5ffff000});
  EXPECT_EQ(Verdicts().back().id, id);
}

}  // namespace
}  // namespace seaward::agent
