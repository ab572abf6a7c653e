// A host that says anything, in well-formed frames and outside of them, while time passes and the
// connection comes and goes. Whatever it says: the budget holds, and the agent finds an end.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/byte_codec.h"
#include "base/fake_clock.h"
#include "guest-agent/retire/fake_kernel.h"
#include "guest-agent/session/hostile_host_fixture.h"
#include "protocol/raw_frame_fixture.h"

namespace {

using namespace seaward;         // NOLINT(google-build-using-namespace)
using namespace seaward::agent;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kBudget = 64 * 4096;
constexpr std::uint64_t kFirstPage = 0x40000000;

void Require(bool rule) {
  if (!rule) std::abort();
}

class Run {
 public:
  explicit Run(std::span<const std::byte> script) : script_(script) {
    identity_.boot_id = Uuid{{std::byte{1}}};
    for (std::uint64_t i = 0; i < 256; ++i)
      kernel_.Holds(GuestPhysAddr{kFirstPage + i * 4096}, static_cast<FakeKernel::Use>(i % 13));
  }

  void Play() {
    session_.HostConnected();
    while (script_.remaining() > 0) {
      Step(script_.Get<std::uint8_t>());
      Require(desk_.retired_bytes() <= kBudget);
    }
  }

 private:
  void Step(std::uint8_t op) {
    switch (op % 8) {
      case 0:
        session_.HostGone();
        return session_.HostConnected();
      case 1:
        return session_.Reverify();
      case 2:
        return clock_.Advance(std::chrono::milliseconds(op) * 50);
      case 3:
        return session_.BytesReceived(script_.GetBytes(Length()));
      case 4:
        return Work();
      default:
        return SayFrame(op / 8);
    }
  }

  std::size_t Length() {
    const std::size_t wanted = script_.Get<std::uint8_t>();
    return std::min(wanted, script_.remaining());
  }

  void Work() {
    for (int slice = 0; slice < 8 && session_.HasWork(); ++slice) session_.Work();
  }

  // A frame that the reader accepts, with the payload from the script. Asking for a hello needs no
  // session, everything else is of this one.
  void SayFrame(std::uint8_t type) {
    type = static_cast<std::uint8_t>(type % 16);
    const bool request = type == static_cast<std::uint8_t>(protocol::MessageType::kHelloRequest);
    session_.BytesReceived(
        protocol::RawFrame(type, request ? 0 : kNonce, ++sequence_, script_.GetBytes(Length())));
  }

  ByteReader script_;
  FakeKernel kernel_;
  FakeClock clock_;
  NoRecord record_;
  Edge edge_;
  AgentIdentity identity_;
  PageRetirer retirer_{kernel_, kernel_, record_, clock_, PageSize{}, protocol::Stage::kRun};
  RetirementDesk desk_{
      kernel_, retirer_, clock_,
      RetirementLimits{.budget_bytes = kBudget, .rate = {.per_second = 1000, .burst = 2000}}};
  AgentSession session_{identity_, SessionLimits{}, clock_, desk_, edge_};
  std::uint32_t sequence_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 8192) return 0;
  Run(std::as_bytes(std::span(data, size))).Play();
  return 0;
}
