// Steps in which the channel, or what speaks over it, is what fails.
#include <signal.h>

#include <fmt/format.h>

#include "tests/chaos/actor.h"
#include "tests/chaos/observations.h"
#include "tests/support/wait_until.h"

namespace seaward::chaos {
namespace {

constexpr char kPort[] = "org.seaward.agent.0";

// Bytes of chance, and in between what the beginning of a frame looks like.
std::string Garbage(Dice& dice) {
  std::string bytes;
  for (std::uint64_t left = dice.Between(1, 60); left > 0; --left) {
    if (dice.Below(4) == 0) bytes += std::string("SWRD\x01\x05", 6);
    for (std::uint64_t i = dice.Below(50); i > 0; --i)
      bytes.push_back(static_cast<char>(dice.Below(256)));
  }
  return bytes;
}

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

}  // namespace

Status Actor::DoToChannel(StepKind kind, Dice& dice) {
  switch (kind) {
    case StepKind::kGarbageToGuest:
      machines_.Order(GarbageOrder(Towards::kGuest, Garbage(dice)));
      return {};
    case StepKind::kGarbageToHost:
      return GarbageToHost(dice);
    case StepKind::kStaleToGuest:
      machines_.Order(RepeatOrder(Towards::kGuest));
      return {};
    case StepKind::kStaleToHost:
      machines_.Order(RepeatOrder(Towards::kHost));
      return {};
    case StepKind::kLoseToGuest:
      return Lose(Towards::kGuest, dice);
    case StepKind::kLoseToHost:
      return Lose(Towards::kHost, dice);
    case StepKind::kCutChannel:
      return CutChannel(dice);
    case StepKind::kForgedVerdict:
      return FalseWord(false, dice);
    case StepKind::kLyingGuest:
      return FalseWord(true, dice);
    case StepKind::kHostileVmm:
      return HostileVmm(dice);
    default:
      return Fail(ErrorCode::kInvalid, "no step of the channel");
  }
}

// On the wire, or out of the guest itself in the place of an agent that is not there.
Status Actor::GarbageToHost(Dice& dice) {
  if (machines_.world() == World::kRing && dice.Below(2) == 0) {
    machines_.Order(GarbageOrder(Towards::kHost, Garbage(dice)));
    return {};
  }
  // A port whose other end nobody holds takes nothing, and whoever writes waits.
  if (!machines_.notifier_works()) return {};
  if (auto killed = machines_.KillAgent(); !killed) return killed;
  ++tally_.kills;
  auto wrote = machines_.AskGuest("port_write", {{"port", kPort}, {"hex", Hex(Garbage(dice))}});
  if (!wrote) return Forward(wrote);
  return machines_.StartAgent();
}

Status Actor::Lose(Towards towards, Dice& dice) {
  machines_.Order(LoseOrder(towards, dice.Between(1, 150)));
  return GoBad(PickFree(1, dice));
}

Status Actor::CutChannel(Dice& dice) {
  for (std::uint64_t left = dice.Between(1, 8); left > 0; --left) {
    machines_.Order(CutOrder());
    if (!machines_.notifier_works()) return {};
    // Only to keep pace: a cut of what is not connected is none.
    constexpr std::chrono::seconds kLongEnough{3};
    (void)testing::WaitUntil(
        [this] {
          const auto status = machines_.host().Seawardctl({"status"});
          return status && !(*status)["vms"].empty() && (*status)["vms"][0]["channel_open"] == true;
        },
        kLongEnough);
  }
  return {};
}

std::optional<std::uint64_t> Actor::DeliveredEntry(GuestPhysAddr page) {
  std::optional<std::uint64_t> entry;
  constexpr std::chrono::seconds kLongEnough{10};
  (void)testing::WaitUntil(
      [&] {
        const auto picture = LookAtLedger(machines_);
        if (!picture) return false;
        for (const LedgerRow* row : picture->About(ByteRange::Granule(page)))
          if (row->life == "delivered") entry = row->id;
        return entry.has_value();
      },
      kLongEnough);
  return entry;
}

// A verdict about a page that the guest was told of and has not looked at. Whoever believes one of
// this session is lied to by the guest itself, until its next boot; one of no session is nobody's.
Status Actor::FalseWord(bool of_this_session, Dice& dice) {
  if (!machines_.notifier_works() || !machines_.agent_works()) return {};
  const auto pages = PickFree(1, dice);
  if (!pages) return tl::unexpected<Error>(pages.error());
  if (pages->empty()) return {};
  if (auto stopped = machines_.SignalAgent(SIGSTOP); !stopped) return stopped;
  if (auto bad = GoBad(pages); !bad) return bad;
  const ByteRange range = ByteRange::Granule(pages->front());
  if (const auto entry = DeliveredEntry(pages->front())) {
    using protocol::Outcome;
    const Outcome lies[] = {Outcome::kRetired, Outcome::kNotRam, Outcome::kFailed};
    const Outcome outcome = lies[dice.Below(3)];
    if (of_this_session) book_.LiedAbout(range);
    machines_.Order(VerdictOrder({*entry, range, outcome, of_this_session}));
    // The notifier has read it when it has read what comes behind it: it asks and is not answered,
    // so that a look at its status is all that can be waited for.
    (void)machines_.host().Seawardctl({"status"});
  }
  return machines_.SignalAgent(SIGCONT);
}

}  // namespace seaward::chaos
