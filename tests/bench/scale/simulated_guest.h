// One guest without a machine: the agent's real session and retirement code over a kernel that is a
// table, behind a unix socket as QEMU binds it for the virtio-serial port.
//
// One thread. Nothing waits here: the fleet says when a descriptor is ready or a deadline passed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "guest-agent/journal/boot_log.h"
#include "guest-agent/retire/fake_kernel.h"
#include "guest-agent/session/agent_session.h"
#include "protocol/frame_reader.h"

namespace seaward::bench {

class SimulatedGuest final : private agent::SessionEdge {
 public:
  // `number` tells its boot and nonces apart; `listener` is its channel's and does not block;
  // `clock` outlives it.
  SimulatedGuest(std::uint64_t number, UniqueFd listener, const Clock& clock);
  SimulatedGuest(const SimulatedGuest&) = delete;
  SimulatedGuest& operator=(const SimulatedGuest&) = delete;

  int listener_fd() const { return listener_.get(); }
  // -1 while no host is connected. Readable and writable events of it go to Serve.
  int channel_fd() const { return channel_.get(); }

  // Somebody connected. False: nobody, or one host is here already.
  bool Accept();
  // What arrived, what is due, what still has to leave.
  void Serve();
  void Work();
  bool HasWork() const { return session_.HasWork(); }
  std::optional<MonoTime> NextDeadline() const { return session_.NextDeadline(); }

  // In the present session.
  bool synced() const { return synced_; }
  // What the notifier has told it since the start, repetitions included.
  std::uint64_t entries_heard() const { return entries_heard_; }
  std::uint64_t bytes_heard() const { return bytes_heard_; }
  std::uint64_t retired_bytes() const { return desk_.retired_bytes(); }

 private:
  bool SendFrame(std::span<const std::byte> frame) override;
  std::uint64_t ChooseNonce() override { return ++nonces_ << 32 | number_; }
  std::uint64_t HardwareCorruptedBytes() override { return desk_.retired_bytes(); }
  void OnLive(const protocol::HelloAck&) override { synced_ = false; }
  void OnProgress(const agent::RetirementProgress&) override {}
  std::vector<protocol::KnownRecord> KnownPages() override { return {}; }
  void OnSynced() override { synced_ = true; }
  void OnForgotten(const ByteRange&) override {}
  void HostLeft();
  bool Flush();
  void Count(std::span<const std::byte> bytes);

  const std::uint64_t number_;
  UniqueFd listener_;
  UniqueFd channel_;
  agent::FakeKernel kernel_;
  agent::NoBootLog no_record_;
  agent::PageRetirer retirer_;
  agent::RetirementDesk desk_;
  agent::AgentSession session_;
  protocol::FrameReader reader_;  // only counts; the session has its own
  std::vector<std::byte> unsent_;
  std::uint64_t nonces_ = 0;
  std::uint64_t entries_heard_ = 0;
  std::uint64_t bytes_heard_ = 0;
  bool synced_ = false;
};

}  // namespace seaward::bench
