// A guest that lies, floods, is an earlier boot, or is garbage.
#include <random>

#include "base/crc32c.h"
#include "host-notifier/session/session_fixture.h"
#include "protocol/format.h"

namespace seaward::session {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using namespace std::chrono_literals;

using HostileGuest = SessionFixture;

std::vector<std::byte> FrameOf(const protocol::Message& message, protocol::Nonce nonce,
                               std::uint32_t sequence) {
  return protocol::EncodeFrame(message, nonce, sequence).value();
}

TEST_F(HostileGuest, SpeaksAboutPagesThatItWasNeverGiven) {
  GoLive({Entry(1)});
  session_.ChannelClosed();
  session_.ChannelOpened();
  guest_.Reboot(kSecondBoot);
  guest_.set_answering(false);
  port_.Refuse(true);  // entry 1 is wanted, but not yet given to the second boot
  guest_.SayHello();
  session_.BytesReceived(guest_.TakeOutput());
  GuestJudges({Record(1, Outcome::kRetired), Record(2, Outcome::kRetired)});
  EXPECT_EQ(session_.faults(ProtocolFault::kUnknownPage), 2u);
  EXPECT_THAT(listener_.verdicts, SizeIs(1)) << "that of the first boot";
  EXPECT_EQ(session_.unanswered_entries(), 1u);
}

TEST_F(HostileGuest, SpeaksAboutMemoryOutsideTheEntry) {
  guest_.set_decide([](const PoisonEntry&) { return std::vector<VerdictRecord>{}; });
  KnowWanted({Entry(8)});
  session_.ChannelOpened();
  Exchange();
  VerdictRecord record = Record(8, Outcome::kRetired);
  for (const ByteRange& range : {Page(15), Page(17), Page(15, 2), Page(16, 2), Page(0, 4096)}) {
    record.range = range;
    GuestJudges({record});
  }
  EXPECT_EQ(session_.faults(ProtocolFault::kForeignRange), 5u);
  EXPECT_THAT(listener_.verdicts, IsEmpty());
}

TEST_F(HostileGuest, MayWidenAVerdictToItsOwnLargerPagesOnly) {
  guest_.set_page_size(65536);
  guest_.set_decide([](const PoisonEntry&) { return std::vector<VerdictRecord>{}; });
  KnowWanted({Entry(8), Entry(10)});
  session_.ChannelOpened();
  Exchange();
  VerdictRecord record = Record(8, Outcome::kRetired);
  record.range = Page(16, 16);
  GuestJudges({record});
  EXPECT_THAT(IdsJudged(), ElementsAre(8));
  record = Record(10, Outcome::kRetired);
  record.range = Page(0, 16);
  GuestJudges({record});
  EXPECT_THAT(listener_.faults, ElementsAre(Pair(ProtocolFault::kForeignRange, 1)));
}

TEST_F(HostileGuest, ContradictsItselfAndTheFirstWordStands) {
  GoLive({Entry(1)});
  GuestJudges({Record(1, Outcome::kFailed)});
  GuestJudges({Record(1, Outcome::kNotRam)});
  GuestJudges({Record(1, Outcome::kAlreadyRetired)});
  EXPECT_EQ(session_.faults(ProtocolFault::kContradiction), 3u);
  ASSERT_THAT(listener_.verdicts, SizeIs(1));
  EXPECT_EQ(listener_.verdicts[0].outcome, Outcome::kRetired);
}

TEST_F(HostileGuest, NamesProcessesOnlyForPagesThatItWasGiven) {
  GoLive({Entry(1)});
  protocol::Loss loss{.id = 1, .range = Page(1, 1), .lost_bytes = 4096, .pid = 7, .comm = "db"};
  loss.range = Entry(1).range;
  protocol::Loss other = loss;
  other.id = 99;
  GuestSays(protocol::Losses{{loss, other}});
  ASSERT_THAT(listener_.losses_heard, SizeIs(1));
  EXPECT_EQ(listener_.losses_heard[0].comm, "db");
  EXPECT_EQ(session_.faults(ProtocolFault::kUnknownPage), 1u);
}

TEST_F(HostileGuest, TellsOfLossesWithoutEndAndIsHeardAtARate) {
  GoLive({Entry(1)});
  const protocol::Loss loss{
      .id = 1, .range = Entry(1).range, .lost_bytes = 4096, .pid = 7, .comm = "db"};
  const auto hundred = [&] {
    for (int frame = 0; frame < 5; ++frame)
      GuestSays(protocol::Losses{std::vector<protocol::Loss>(20, loss)});
  };
  for (int i = 0; i < 12; ++i) hundred();
  EXPECT_THAT(listener_.losses_heard, SizeIs(1000));
  EXPECT_EQ(session_.faults(ProtocolFault::kTooManyLosses), 200u);
  clock_.Advance(2s);
  hundred();
  EXPECT_THAT(listener_.losses_heard, SizeIs(1032));
}

TEST_F(HostileGuest, RepeatsItselfAThousandTimesAndTheLedgerHearsItOnce) {
  GoLive({Entry(1)});
  for (int i = 0; i < 1000; ++i) GuestJudges({Record(1, Outcome::kRetired)});
  EXPECT_THAT(listener_.verdicts, SizeIs(1));
  EXPECT_THAT(listener_.faults, IsEmpty());
}

TEST_F(HostileGuest, DefersWithoutEndAndTheLedgerHearsItOncePerSecond) {
  guest_.set_decide(
      [](const PoisonEntry& entry) { return std::vector{Record(entry.id, Outcome::kDeferred)}; });
  GoLive({Entry(1)});
  for (int i = 0; i < 1000; ++i) {
    clock_.Advance(10ms);
    GuestJudges({Record(1, Outcome::kDeferred)});
  }
  EXPECT_LE(listener_.verdicts.size(), 11u);
}

TEST_F(HostileGuest, SaysSyncWithoutAnsweringAndIsNotBelieved) {
  guest_.set_answering(false);
  KnowWanted({Entry(1)});
  session_.ChannelOpened();
  Exchange();
  GuestSays(protocol::Sync{});
  EXPECT_EQ(session_.phase(), Phase::kSyncing);
  EXPECT_THAT(listener_.synced, IsEmpty());
  GuestJudges({Record(1, Outcome::kRetired)});
  EXPECT_EQ(session_.phase(), Phase::kLive) << "it said sync and has answered everything";
}

TEST_F(HostileGuest, SendsAHostsMessages) {
  GoLive({Entry(1)});
  GuestSays(protocol::HelloAck{});
  GuestSays(protocol::Poison{{Entry(9)}});
  GuestSays(protocol::Clear{{Page(1)}});
  GuestSays(protocol::HelloRequest{});
  EXPECT_EQ(session_.faults(ProtocolFault::kUnexpected), 4u);
  EXPECT_EQ(session_.wanted_entries(), 1u);
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

TEST_F(HostileGuest, SpeaksBeforeItIsWelcomed) {
  session_.ChannelOpened();
  Exchange();
  ASSERT_EQ(session_.phase(), Phase::kGreeted);
  GuestJudges({Record(1, Outcome::kRetired)});
  GuestSays(protocol::Sync{});
  EXPECT_EQ(session_.faults(ProtocolFault::kUnexpected), 2u);
  EXPECT_EQ(session_.phase(), Phase::kGreeted);
}

TEST_F(HostileGuest, StaleBytesOfTheLastBootChangeNothing) {
  GoLive({Entry(1)});
  session_.Deliver(Entry(2));
  guest_.Receive(port_.Take());
  auto stale = guest_.TakeOutput();  // the verdict on 2, never read by the host
  guest_.Reboot(kSecondBoot);
  guest_.SayHello();
  const auto fresh = guest_.TakeOutput();
  // The host reads the new boot's hello, and then the old boot's bytes come once more.
  session_.BytesReceived(fresh);
  session_.BytesReceived(stale);
  EXPECT_EQ(session_.faults(ProtocolFault::kWrongNonce), 1u);
  EXPECT_THAT(IdsJudged(), ElementsAre(1));
  Exchange();
  EXPECT_THAT(IdsJudged(), ElementsAre(1, 1, 2));
  EXPECT_EQ(listener_.verdict_boots.back(), kSecondBoot);
}

TEST_F(HostileGuest, ReplaysItsOwnFrames) {
  GoLive({Entry(1)});
  guest_.Say(protocol::Stats{});
  const auto frame = guest_.TakeOutput();
  session_.BytesReceived(frame);
  session_.BytesReceived(frame);
  EXPECT_EQ(session_.faults(ProtocolFault::kOldSequence), 1u);
  EXPECT_THAT(listener_.stats_heard, SizeIs(1));
}

TEST_F(HostileGuest, SkippedFrameNumbersAreCounted) {
  GoLive();
  guest_.Say(protocol::Pong{});
  guest_.Say(protocol::Pong{});
  guest_.TakeOutput();  // two frames get lost
  GuestSays(protocol::Stats{});
  EXPECT_EQ(session_.faults(ProtocolFault::kLostFrames), 2u);
  EXPECT_THAT(listener_.stats_heard, SizeIs(1));
}

TEST_F(HostileGuest, GreetsWithoutEndAndCostsABoundedNumberOfReplays) {
  GoLive({Entry(1)});
  for (int i = 0; i < 1000; ++i) {
    guest_.SayHello();
    session_.BytesReceived(guest_.TakeOutput());
  }
  EXPECT_EQ(listener_.hellos.size(), 8u) << "the burst, the first hello included";
  EXPECT_EQ(session_.faults(ProtocolFault::kHelloFlood), 993u);
  port_.Take();
  Pass(1s);
  guest_.SayHello();
  Exchange();
  EXPECT_EQ(session_.phase(), Phase::kLive) << "an honest hello is heard a second later";
}

TEST_F(HostileGuest, GreetsWithNonceZero) {
  session_.ChannelOpened();
  protocol::Hello hello;
  hello.boot_id = kFirstBoot;
  session_.BytesReceived(FrameOf(hello, protocol::Nonce::kNone, 1));
  EXPECT_EQ(session_.faults(ProtocolFault::kMalformed), 1u);
  EXPECT_EQ(session_.phase(), Phase::kCalling);
}

TEST_F(HostileGuest, GarbageIsCountedReportedOnceAndSurvived) {
  GoLive({Entry(1)});
  std::mt19937 random(20240611);
  std::vector<std::byte> garbage(100'000);
  for (std::byte& b : garbage) b = static_cast<std::byte>(random() % 'R');
  guest_.SayRaw(garbage);
  guest_.Say(protocol::Stats{});
  session_.BytesReceived(guest_.TakeOutput());
  EXPECT_EQ(listener_.faults[ProtocolFault::kGarbage], garbage.size());
  EXPECT_THAT(listener_.stats_heard, SizeIs(1));
  session_.Deliver(Entry(2));
  Exchange();
  EXPECT_THAT(IdsJudged(), ElementsAre(1, 2));
}

TEST_F(HostileGuest, IsReadNoFasterThanTheLimitAndGarbageCostsMore) {
  GoLive();
  clock_.Advance(10s);
  const std::size_t allowance = session_.ReadAllowance();
  EXPECT_EQ(allowance, 256u * 1024);
  session_.BytesReceived(std::vector<std::byte>(20'000));
  EXPECT_EQ(session_.faults(ProtocolFault::kFlood), 0u);
  EXPECT_EQ(session_.ReadAllowance(), 0u) << "16 times 20,000 is more than the burst";
  EXPECT_EQ(session_.ReadAllowance(), 0u);
  EXPECT_EQ(session_.faults(ProtocolFault::kFlood), 1u) << "once per pause";
  ASSERT_TRUE(session_.NextDeadline());
  clock_.Advance(*session_.NextDeadline() - clock_.Now());
  session_.Tick();
  EXPECT_GE(session_.ReadAllowance(), protocol::kMaxFrameBytes);
  EXPECT_EQ(session_.NextDeadline(), std::nullopt);
}

TEST_F(HostileGuest, UnknownTypesAndForeignVersionsAreSkipped) {
  GoLive();
  auto unknown = FrameOf(protocol::Ping{}, guest_.nonce(), 50);
  unknown[5] = std::byte{77};
  auto foreign = FrameOf(protocol::Ping{}, guest_.nonce(), 51);
  foreign[4] = std::byte{9};
  for (auto* frame : {&unknown, &foreign}) {
    const std::uint32_t crc = Crc32c(std::span(*frame).first(protocol::kCrcOffset));
    for (std::size_t i = 0; i < 4; ++i)
      (*frame)[protocol::kCrcOffset + i] = static_cast<std::byte>(crc >> (8 * i));
    session_.BytesReceived(*frame);
  }
  EXPECT_EQ(session_.faults(ProtocolFault::kUnknownType), 1u);
  EXPECT_EQ(session_.faults(ProtocolFault::kForeignVersion), 1u);
  EXPECT_EQ(session_.phase(), Phase::kLive);
}

protocol::KnownRecord KnownPage(std::uint64_t number) {
  return {Page(number), Evidence::kConsumed, true};
}

TEST_F(HostileGuest, ClaimsToKnowPagesThatNobodyAskedFor) {
  GoLive();
  GuestSays(protocol::Known{{KnownPage(1)}, true});
  EXPECT_EQ(session_.faults(ProtocolFault::kUnexpected), 1u);
  EXPECT_THAT(listener_.claims, IsEmpty());
}

TEST_F(HostileGuest, ClaimsAfterItSaidThatThisIsAll) {
  guest_.set_known({KnownPage(1)});
  session_.Begin({kIncarnation, {}, {}, true});
  session_.ChannelOpened();
  Exchange();
  EXPECT_TRUE(listener_.claims_complete);
  GuestSays(protocol::Known{{KnownPage(2)}, true});
  EXPECT_EQ(session_.faults(ProtocolFault::kUnexpected), 1u);
  EXPECT_THAT(listener_.claims, SizeIs(1));
}

TEST_F(HostileGuest, ClaimsMorePagesThanTheLimit) {
  std::vector<protocol::KnownRecord> all;
  for (std::uint64_t number = 0; number < SessionLimits{}.max_known_records + 300; ++number)
    all.push_back(KnownPage(2 * number));
  guest_.set_known(all);
  session_.Begin({kIncarnation, {}, {}, true});
  session_.ChannelOpened();
  Exchange();
  EXPECT_EQ(session_.faults(ProtocolFault::kTooManyClaims), 300u);
  EXPECT_THAT(listener_.claims, SizeIs(SessionLimits{}.max_known_records));
  EXPECT_TRUE(listener_.claims_complete) << "the end of its answer counts";
}

TEST_F(HostileGuest, BytesWithoutAChannelAreIgnored) {
  guest_.SayHello();
  session_.BytesReceived(guest_.TakeOutput());
  EXPECT_EQ(session_.phase(), Phase::kNoChannel);
  EXPECT_THAT(listener_.hellos, IsEmpty());
}

}  // namespace
}  // namespace seaward::session
