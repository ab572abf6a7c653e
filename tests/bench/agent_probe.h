// The shortest host there is for a real agent: a session and one page at a time. What it measures
// has nothing of the notifier's in it. One thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"
#include "protocol/frame_reader.h"
#include "protocol/messages.h"

namespace seaward::bench {

class AgentProbe {
 public:
  // `socket_path`: the host's end of the agent's channel. Returns when the session stands and the
  // agent has said sync.
  static Result<AgentProbe> Connect(const std::string& socket_path, const Clock& clock);

  // From just before the frame is sent to just after its verdict is there. kBusy when the guest's
  // kernel did not give the page up.
  Result<std::chrono::nanoseconds> Retire(GuestPhysAddr page);

 private:
  AgentProbe(UniqueFd socket, const Clock& clock) : socket_(std::move(socket)), clock_(&clock) {}
  Status Send(const protocol::Message& message);
  // Reads until `holds` is true of what was heard.
  template <class Condition>
  Status ReadUntil(const char* what, Condition holds);
  void Hear(const protocol::Frame& frame);
  void Welcome(protocol::Nonce nonce);

  UniqueFd socket_;
  const Clock* clock_;
  protocol::FrameReader reader_;
  protocol::Nonce nonce_ = protocol::Nonce::kNone;
  std::uint32_t sequence_ = 0;
  std::uint64_t id_ = 0;
  bool synced_ = false;
  std::optional<protocol::Outcome> outcome_;  // of the entry that was sent last
};

}  // namespace seaward::bench
