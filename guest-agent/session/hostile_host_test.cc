// A host that sends whatever it likes: the agent neither crashes nor retires more than it may.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/fake_clock.h"
#include "guest-agent/retire/fake_kernel.h"
#include "guest-agent/session/agent_session.h"
#include "guest-agent/session/hostile_host_fixture.h"
#include "protocol/codec.h"

namespace seaward::agent {
namespace {

using protocol::Evidence;
using protocol::Message;

constexpr std::uint64_t kBudget = 64 * 4096;
// $SEAWARD_SEED repeats a run.
std::uint64_t Seed() {
  const char* named = std::getenv("SEAWARD_SEED");
  const std::uint64_t seed =
      named != nullptr ? std::strtoull(named, nullptr, 0) : std::random_device{}();
  std::printf("SEAWARD_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

class HostileHost : public ::testing::Test {
 protected:
  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }

  ByteRange AnyRange() {
    // Mostly RAM of the fake kernel, its devices and holes as well; seldom all there can be.
    const std::uint64_t start =
        Below(20) == 0 ? Below(std::uint64_t{1} << 39) * 4096 : Below(0x70000000 / 4096) * 4096;
    const std::uint64_t most = Below(10) == 0 ? (1 << 18) : 16;
    return ByteRange::Make(GuestPhysAddr{start}, (1 + Below(most)) * 4096).value();
  }
  Message AnyMessage() {
    switch (Below(9)) {
      case 0:
        return protocol::HelloAck{.incarnation = Uuid{{std::byte(Below(256))}}};
      case 1:
        return protocol::Sync{random_(), static_cast<std::uint32_t>(random_())};
      case 2:
        return protocol::Clear{{AnyRange()}};
      case 3:
        return protocol::Ping{};
      case 4:
        return protocol::HelloRequest{};
      case 5:
        return protocol::Recall{};
      default: {
        protocol::Poison poison;
        for (std::uint64_t i = 0, n = 1 + Below(20); i < n; ++i)
          poison.entries.push_back({.id = 1 + Below(1000),
                                    .range = AnyRange(),
                                    .evidence = static_cast<Evidence>(1 + Below(3)),
                                    .replay = Below(2) == 0});
        return poison;
      }
    }
  }
  std::vector<std::byte> AnyBytes() {
    const Message message = AnyMessage();
    const bool request = std::holds_alternative<protocol::HelloRequest>(message);
    auto frame =
        protocol::EncodeFrame(message, protocol::Nonce{request ? 0 : kNonce}, ++sequence_).value();
    if (Below(6) == 0) frame[Below(frame.size())] ^= std::byte(1 + Below(255));
    if (Below(10) == 0) frame.resize(Below(frame.size()));
    if (Below(10) == 0)
      for (int i = 0; i < 50; ++i) frame.push_back(std::byte(Below(256)));
    return frame;
  }

  std::mt19937_64 random_{Seed()};
  std::uint32_t sequence_ = 0;
};

TEST_F(HostileHost, NeverRetiresMoreThanTheBudgetWhateverItSends) {
  FakeKernel kernel;
  for (std::uint64_t page = 0x40000000; page < 0x44000000; page += 4096)
    kernel.Holds(GuestPhysAddr{page}, static_cast<FakeKernel::Use>(Below(13)));
  FakeClock clock;
  NoRecord record;
  Edge edge;
  PageRetirer retirer(kernel, kernel, record, clock, PageSize{}, protocol::Stage::kRun);
  RetirementDesk desk(
      kernel, retirer, clock,
      RetirementLimits{.budget_bytes = kBudget, .rate = {.per_second = 1000, .burst = 2000}});
  AgentIdentity identity;
  identity.boot_id = Uuid{{std::byte{1}}};
  AgentSession session(identity, SessionLimits{}, clock, desk, edge);
  const MonoTime began = clock.Now();
  session.HostConnected();
  for (int step = 0; step < 3000; ++step) {
    session.BytesReceived(AnyBytes());
    for (int slice = 0; slice < 4 && session.HasWork(); ++slice) session.Work();
    ASSERT_LE(desk.retired_bytes(), kBudget) << "step " << step;
    if (Below(50) == 0) {
      session.HostGone();
      session.HostConnected();
    }
    if (Below(100) == 0) session.Reverify();
    clock.Advance(std::chrono::milliseconds(Below(200)));
  }
  EXPECT_EQ(desk.retired_bytes(), kBudget) << "it did try";
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock.Now() - began);
  EXPECT_LE(kernel.writes().size(), 2000 + 1000 * (static_cast<std::size_t>(seconds.count()) + 1));
}

TEST_F(HostileHost, GetsAnAnswerToItsPingBetweenTwoSlicesOfAGigabyte) {
  FakeKernel kernel;
  FakeClock clock;
  NoRecord record;
  Edge edge;
  PageRetirer retirer(kernel, kernel, record, clock, PageSize{}, protocol::Stage::kRun);
  RetirementDesk desk(kernel, retirer, clock,
                      RetirementLimits{.budget_bytes = std::uint64_t{1} << 30});
  AgentIdentity identity;
  identity.boot_id = Uuid{{std::byte{1}}};
  AgentSession session(identity, SessionLimits{}, clock, desk, edge);
  session.HostConnected();
  const auto say = [&](const Message& message) {
    session.BytesReceived(
        protocol::EncodeFrame(message, protocol::Nonce{kNonce}, ++sequence_).value());
  };
  say(protocol::HelloAck{});
  say(protocol::Poison{
      {{.id = 1, .range = ByteRange::Make(GuestPhysAddr{0x40000000}, 1 << 30).value()}}});
  int pings = 0;
  while (session.HasWork() && pings < 500) {
    const std::size_t before = kernel.writes().size();
    session.Work();
    EXPECT_LE(kernel.writes().size() - before, SessionLimits{}.slice_pages);
    const std::uint64_t offered = edge.offered;
    say(protocol::Ping{});
    EXPECT_GT(edge.offered, offered) << "a pong, before the next slice";
    ++pings;
    clock.Advance(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(pings, 500) << "the range is not done with";
}

}  // namespace
}  // namespace seaward::agent
