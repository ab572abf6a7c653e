#include "host-notifier/channel/channel_link.h"

#include <algorithm>

namespace seaward {

ChannelLink::ChannelLink(boost::asio::io_context& loop, ChannelOpener& opener,
                         ChannelListener& user, ChannelBackoff backoff)
    : opener_(opener), user_(user), backoff_(backoff), timer_(loop), wait_(backoff.first) {}

ChannelLink::~ChannelLink() = default;

void ChannelLink::Connect(std::optional<std::string> socket_path) {
  socket_path_ = std::move(socket_path);
  wanted_ = true;
  if (channel_ != nullptr) return;
  wait_ = backoff_.first;
  timer_.Cancel();
  Try();
}

void ChannelLink::Close() {
  wanted_ = false;
  open_ = false;
  timer_.Cancel();
  channel_.reset();
}

std::optional<pid_t> ChannelLink::PeerPid() const {
  return channel_ == nullptr ? std::nullopt : channel_->PeerPid();
}

void ChannelLink::Try() {
  Status opened = TrySocket();
  if (!opened) {
    // The socket's error says more than "no stream here".
    if (auto streamed = TryStream(); streamed || !socket_path_) opened = std::move(streamed);
  }
  if (!opened) RetryLater(opened.error());
}

Status ChannelLink::TrySocket() {
  if (!socket_path_) return Fail(ErrorCode::kNotFound, "channel has no socket");
  auto channel = opener_.OpenSocket(*socket_path_, *this);
  if (!channel) return Forward(channel);
  channel_ = std::move(*channel);
  return {};
}

Status ChannelLink::TryStream() {
  auto channel = opener_.OpenStream(*this);
  if (!channel) return Forward(channel);
  channel_ = std::move(*channel);
  return {};
}

void ChannelLink::RetryLater(const Error& why) {
  last_error_ = why.Text();
  timer_.Start(wait_, [this] {
    if (wanted_ && channel_ == nullptr) Try();
  });
  wait_ = std::min(wait_ * 2, backoff_.longest);
}

void ChannelLink::ChannelOpened() {
  open_ = true;
  wait_ = backoff_.first;
  last_error_.clear();
  user_.ChannelOpened();
}

void ChannelLink::ChannelBytes(std::span<const std::byte> bytes) {
  user_.ChannelBytes(bytes);
}

void ChannelLink::ChannelClosed(const Error& why) {
  channel_.reset();
  const bool was_open = std::exchange(open_, false);
  if (wanted_) RetryLater(why);
  if (was_open) user_.ChannelClosed(why);
}

}  // namespace seaward
