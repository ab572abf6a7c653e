// Stands between the notifier and the guest's end of a channel, and does to the bytes what it is
// told. To the notifier its process is the VM's.
#pragma once

#include <poll.h>

#include <string>

#include "base/unique_fd.h"
#include "protocol/frame_reader.h"
#include "tests/chaos/plan/channel_wire.h"
#include "tests/chaos/plan/vmm_orders.h"

namespace seaward::chaos {

class ChannelProxy {
 public:
  // Listens at `path`; connects to `guest_path` when the notifier comes.
  static Result<ChannelProxy> Listen(const std::string& path, std::string guest_path);

  // What to wait for, before each poll; what came of it, behind.
  static constexpr std::size_t kWaits = 3;
  void Prepare(pollfd (&waits)[kWaits]) const;
  void Serve(const pollfd (&waits)[kWaits]);
  // Orders about the channel; others are not its business.
  void Obey(const VmmOrder& order);

 private:
  ChannelProxy(UniqueFd listener, std::string guest_path)
      : listener_(std::move(listener)), guest_path_(std::move(guest_path)) {}
  void Accept();
  void Cut();
  void Pass(const UniqueFd& from, ChannelWire& wire);
  static bool Flush(ChannelWire& wire, const UniqueFd& to);
  void GiveVerdict(const FalseVerdict& verdict);

  UniqueFd listener_;
  std::string guest_path_;
  UniqueFd host_;
  UniqueFd guest_;
  ChannelWire to_guest_;
  ChannelWire to_host_;
  // Of the guest's newest frame.
  protocol::FrameReader guests_words_;
  protocol::Nonce nonce_ = protocol::Nonce::kNone;
  std::uint32_t sequence_ = 0;
};

}  // namespace seaward::chaos
