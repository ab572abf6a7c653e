#include "guest-agent/app/rehearsal.h"

#include "base/clock.h"
#include "guest-agent/journal/boot_log.h"
#include "guest-agent/session/agent_session.h"

namespace seaward::agent {
namespace {

constexpr std::uint64_t kNonce = 1;
constexpr GuestPhysAddr kPage{std::uint64_t{1} << 32};

// A machine of one free page that goes bad.
class Stage final : public GuestMemory, public PageOffliner, public SessionEdge {
 public:
  Result<PageFlags> FlagsOf(PageFrame) override {
    return PageFlags{}.With(retired_ ? PageFlag::kHwpoison : PageFlag::kBuddy);
  }
  Result<MemoryLayout> ReadLayout() override {
    return MemoryLayout::Parse("00000000-ffffffffff : System RAM\n");
  }
  int TakeOffline(Verb, GuestPhysAddr) override {
    retired_ = true;
    return 0;
  }
  bool SendFrame(std::span<const std::byte>) override { return true; }
  std::uint64_t ChooseNonce() override { return kNonce; }
  std::uint64_t HardwareCorruptedBytes() override { return 0; }
  void OnLive(const protocol::HelloAck&) override {}
  void OnProgress(const RetirementProgress& progress) override {
    for (const protocol::VerdictRecord& record : progress.records)
      passed_ = record.outcome == protocol::Outcome::kRetired;
  }
  std::vector<protocol::KnownRecord> KnownPages() override { return {}; }
  void OnSynced() override {}
  void OnForgotten(const ByteRange&) override {}
  bool passed() const { return passed_; }

 private:
  bool retired_ = false;
  bool passed_ = false;
};

}  // namespace

bool RehearseRetirement(PageSize page_size) {
  Stage stage;
  const SystemClock clock;
  NoBootLog record;
  PageRetirer retirer(stage, stage, record, clock, page_size, protocol::Stage::kRun);
  RetirementDesk desk(stage, retirer, clock, RetirementLimits{});
  AgentIdentity identity;
  identity.boot_id = Uuid{{std::byte{1}}};
  identity.page_size = page_size;
  AgentSession session(identity, SessionLimits{}, clock, desk, stage);
  session.HostConnected();
  const protocol::PoisonEntry entry{.id = 1, .range = ByteRange::Granule(kPage)};
  std::uint32_t sequence = 0;
  for (const protocol::Message& message :
       {protocol::Message(protocol::HelloAck{}), protocol::Message(protocol::Poison{{entry}})}) {
    const auto frame = protocol::EncodeFrame(message, protocol::Nonce{kNonce}, ++sequence);
    if (!frame) return false;
    session.BytesReceived(*frame);
  }
  session.Work();
  return stage.passed();
}

}  // namespace seaward::agent
