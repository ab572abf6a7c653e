#include "host-notifier/app/attached_ring.h"

#include <utility>

#include "base/mutants.h"

namespace seaward {
namespace {

// Records per turn of the loop: a few tens of microseconds of work.
constexpr std::size_t kSlice = 64;

}  // namespace

Result<std::unique_ptr<AttachedRing>> AttachedRing::Make(boost::asio::io_context& loop,
                                                         ring::Attachment attachment,
                                                         std::uint64_t number, RingUser& user) {
  std::unique_ptr<AttachedRing> ring(new AttachedRing(loop, std::move(attachment), number, user));
  AttachedRing* self = ring.get();
  auto connection = FdWatch::Watch(loop, ring->attachment_.connection.get(),
                                   [self] { self->ConnectionReadable(); });
  if (!connection) return Forward(connection);
  ring->connection_ = std::move(*connection);
  ring->attachment_.Confirm();
  return ring;
}

Status AttachedRing::Resume() {
  if (running_) return {};
  if (!ended_) {
    // Not before: a bell that nobody answers would keep the loop awake.
    auto doorbell = FdWatch::Watch(loop_, attachment_.ring.doorbell_fd(), [this] { Drain(); });
    if (!doorbell) return Forward(doorbell);
    doorbell_ = std::move(*doorbell);
  }
  running_ = true;
  Drain();
  return {};
}

void AttachedRing::Pause() {
  running_ = false;
  doorbell_.reset();
  again_.Cancel();
}

void AttachedRing::Drain() {
  const std::size_t taken = attachment_.ring.Drain(
      kSlice, [this](const ring::RingEvent& event) { user_.RingEventTaken(*this, event); });
  const std::uint64_t lost = attachment_.ring.counters().lost;
  if (lost > lost_told_) user_.RingLost(*this, lost - std::exchange(lost_told_, lost));
  if (taken == kSlice) return again_.Start(std::chrono::nanoseconds(0), [this] { Drain(); });
  if (Lives(Mutant::kSpin) && !ended_)
    return again_.Start(std::chrono::nanoseconds(0), [this] { Drain(); });
  if (taken != 0 && !ended_) again_.Start(vmm::kLookAgain, [this] { Drain(); });
  if (ended_) user_.RingEnded(*this);
}

void AttachedRing::ConnectionReadable() {
  const auto answer = attachment_.ReadAnswer();
  if (!answer) return ConnectionEnded();
  const auto* heal = std::get_if<vmm::HealAnswer>(&*answer);
  const auto* place = std::get_if<vmm::PlaceAnswer>(&*answer);
  const bool unasked = (heal != nullptr && !user_.HealAnswered(*this, *heal)) ||
                       (place != nullptr && !user_.PlaceAnswered(*this, *place));
  if (unasked) ConnectionEnded();
}

void AttachedRing::ConnectionEnded() {
  ended_ = true;
  connection_.reset();
  attachment_.connection.Reset();  // a VMM that is to be heard no more notices
  doorbell_.reset();
  if (running_) Drain();
}

}  // namespace seaward
