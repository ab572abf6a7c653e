// A guest that says anything, in well-formed frames and outside of them, while time passes and
// pages come and go. Whatever it says: only pages that it was given are judged, bounds hold,
// deadlines move on.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/byte_codec.h"
#include "base/fake_clock.h"
#include "host-notifier/session/session.h"
#include "host-notifier/session/session_fakes.h"
#include "protocol/raw_frame_fixture.h"

namespace {

using namespace seaward;           // NOLINT(google-build-using-namespace)
using namespace seaward::session;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kPages = 16;

void Require(bool rule) {
  if (!rule) std::abort();
}

protocol::PoisonEntry EntryNumber(std::uint64_t number) {
  return {number + 1, ByteRange::Granule(GuestPhysAddr{number * kPoisonGranule}),
          protocol::Evidence::kConsumed, false};
}

SessionLimits SmallLimits() {
  SessionLimits limits;
  limits.heartbeat = std::chrono::seconds(10);
  limits.max_verdict_pieces = 64;
  limits.max_known_records = 8;
  return limits;
}

class Run {
 public:
  explicit Run(std::span<const std::byte> script) : script_(script) {}

  void Play() {
    while (script_.remaining() > 0) {
      Step(script_.Get<std::uint8_t>());
      CheckBounds();
    }
  }

 private:
  void Step(std::uint8_t op) {
    switch (op % 8) {
      case 0:
        return session_.ChannelOpened();
      case 1:
        return session_.Begin({Uuid{}, Uuid{}, {{EntryNumber(op / 8 % kPages), false}}, op >= 128});
      case 2:
        return (void)session_.Deliver(EntryNumber(op / 8 % kPages));
      case 3:
        return Forget(op / 8 % kPages);
      case 4:
        return port_.Refuse(op / 8 % 2 == 0);
      case 5:
        return Wait(std::chrono::milliseconds(op) * 50);
      case 6:
        return session_.BytesReceived(script_.GetBytes(Length()));
      default:
        return SayFrame(op / 8);
    }
  }

  std::size_t Length() {
    const std::size_t wanted = script_.Get<std::uint8_t>();
    return std::min(wanted, script_.remaining());
  }

  void Forget(std::uint64_t number) {
    const ByteRange range = EntryNumber(number).range;
    session_.Forget(std::span(&range, 1));
  }

  void Wait(std::chrono::milliseconds time) {
    clock_.Advance(time);
    session_.Tick();
    const auto next = session_.NextDeadline();
    Require(!next || *next > clock_.Now());
  }

  // A frame that the reader accepts, with the payload from the script; hellos change the nonce.
  void SayFrame(std::uint8_t type) {
    type = static_cast<std::uint8_t>(type % 16);
    if (type == static_cast<std::uint8_t>(protocol::MessageType::kHello)) ++nonce_;
    session_.BytesReceived(
        protocol::RawFrame(type, nonce_, ++sequence_, script_.GetBytes(Length())));
  }

  void CheckBounds() {
    Require(session_.outstanding_bytes() <= limits_.outstanding_bytes + 64 * 1024);
    Require(session_.wanted_entries() <= kPages);
    Require(session_.unanswered_entries() <= session_.wanted_entries());
    for (const protocol::VerdictRecord& record : listener_.verdicts)
      Require(std::count(listener_.sent.begin(), listener_.sent.end(), record.id) > 0);
    Require(listener_.claims.size() <= limits_.max_known_records * listener_.hellos.size());
    port_.Take();
    if (listener_.verdicts.size() > 1000) listener_.verdicts.clear();
  }

  ByteReader script_;
  const SessionLimits limits_ = SmallLimits();
  FakeClock clock_;
  FakePort port_;
  RecordingListener listener_;
  Session session_{limits_, clock_, port_, listener_};
  std::uint64_t nonce_ = 0;
  std::uint32_t sequence_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 8192) return 0;
  Run(std::as_bytes(std::span(data, size))).Play();
  return 0;
}
