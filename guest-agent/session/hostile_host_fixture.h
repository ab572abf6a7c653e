// What an agent's session needs around it while a host says whatever it likes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "guest-agent/retire/fake_kernel.h"
#include "guest-agent/session/agent_session.h"

namespace seaward::agent {

inline constexpr std::uint64_t kNonce = 7;

class Edge final : public SessionEdge {
 public:
  bool SendFrame(std::span<const std::byte>) override { return ++offered % 5 != 0; }
  std::uint64_t ChooseNonce() override { return kNonce; }
  std::uint64_t HardwareCorruptedBytes() override { return 0; }
  void OnLive(const protocol::HelloAck&) override {}
  void OnProgress(const RetirementProgress&) override {}
  std::vector<protocol::KnownRecord> KnownPages() override { return {}; }
  void OnSynced() override {}
  void OnForgotten(const ByteRange&) override {}
  std::uint64_t offered = 0;
};

}  // namespace seaward::agent
