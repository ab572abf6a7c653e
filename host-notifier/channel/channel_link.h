// Keeps one guest's channel open: the unix socket first, the libvirt stream where the socket cannot
// be reached, again with backoff whenever it closes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "host-notifier/channel/byte_channel.h"
#include "host-notifier/loop/loop_timer.h"

namespace seaward {

// How channels are opened; both return at once.
class ChannelOpener {
 public:
  virtual ~ChannelOpener() = default;
  virtual Result<std::unique_ptr<ByteChannel>> OpenSocket(const std::string& path,
                                                          ChannelListener& listener) = 0;
  // kUnsupported where there is no other way in than the socket.
  virtual Result<std::unique_ptr<ByteChannel>> OpenStream(ChannelListener& listener) = 0;
};

struct ChannelBackoff {
  // A VMM that is just starting listens within milliseconds; one that stays away must not cost a
  // busy loop.
  std::chrono::milliseconds first{50};
  std::chrono::milliseconds longest{2000};
};

class ChannelLink final : private ChannelListener {
 public:
  // `user` hears Opened and Closed once per connection that really opened, never of failed
  // attempts. Both outlive the link.
  ChannelLink(boost::asio::io_context& loop, ChannelOpener& opener, ChannelListener& user,
              ChannelBackoff backoff);
  ~ChannelLink() override;

  // Where the channel is from now on (none: by stream only). Connects, unless open already.
  void Connect(std::optional<std::string> socket_path);
  // Stops trying; closes without telling the user.
  void Close();
  // All or nothing; false when closed or full.
  bool Send(std::span<const std::byte> bytes) { return open_ && channel_->Send(bytes); }

  void SetReading(bool reading) {
    if (channel_ != nullptr) channel_->SetReading(reading);
  }

  bool open() const { return open_; }
  std::optional<pid_t> PeerPid() const;
  // Why the last attempt failed; empty when open.
  const std::string& last_error() const { return last_error_; }

 private:
  void ChannelOpened() override;
  void ChannelBytes(std::span<const std::byte> bytes) override;
  void ChannelClosed(const Error& why) override;
  void Try();
  Status TrySocket();
  Status TryStream();
  void RetryLater(const Error& why);

  ChannelOpener& opener_;
  ChannelListener& user_;
  const ChannelBackoff backoff_;
  LoopTimer timer_;
  std::chrono::milliseconds wait_;
  std::optional<std::string> socket_path_;
  std::unique_ptr<ByteChannel> channel_;
  bool wanted_ = false;
  bool open_ = false;
  std::string last_error_;
};

}  // namespace seaward
