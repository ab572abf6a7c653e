#include "host-notifier/libvirt/stream_pump.h"

#include <libvirt/virterror.h>

#include <array>

namespace seaward {
namespace {

constexpr std::size_t kReadChunk = 16 * 1024;
// virStreamRecv and virStreamSend with VIR_STREAM_NONBLOCK: nothing now.
constexpr int kWouldBlock = -2;

}  // namespace

StreamPump::~StreamPump() {
  if (stream_ != nullptr) virStreamFree(stream_);
}

void StreamPump::Open(virConnectPtr connection, virDomainPtr domain,
                      const std::string& channel_name) {
  stream_ = virStreamNew(connection, VIR_STREAM_NONBLOCK);
  // FORCE: the channel is named for us, so whoever else holds it is a stale self.
  if (stream_ == nullptr ||
      virDomainOpenChannel(domain, channel_name.c_str(), stream_, VIR_DOMAIN_CHANNEL_FORCE) < 0)
    return Finish(Error{ErrorCode::kIo, 0, std::string("channel: ") + virGetLastErrorMessage()});
  using Self = std::shared_ptr<StreamPump>;
  const auto on_event = [](virStreamPtr, int events, void* opaque) {
    const Self self = *static_cast<Self*>(opaque);  // finishing drops the callback's own copy
    self->OnEvents(events);
  };
  const auto free_self = [](void* opaque) { delete static_cast<Self*>(opaque); };
  auto self = std::make_unique<Self>(shared_from_this());
  if (virStreamEventAddCallback(stream_, VIR_STREAM_EVENT_READABLE, on_event, self.get(),
                                free_self) < 0)
    return Finish(Error{ErrorCode::kIo, 0, std::string("channel: ") + virGetLastErrorMessage()});
  static_cast<void>(self.release());
  listener_.Call([](ChannelListener& l) { l.ChannelOpened(); });
  Flush();
}

bool StreamPump::Queue(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  if (queued_ + bytes.size() > kMaxQueued) return false;
  queued_ += bytes.size();
  waiting_.insert(waiting_.end(), bytes.begin(), bytes.end());
  return true;
}

void StreamPump::Flush() {
  if (stream_ == nullptr || finished_) return;
  for (;;) {
    if (sending_.empty()) {
      const std::lock_guard lock(mutex_);
      std::swap(sending_, waiting_);
    }
    if (sending_.empty()) break;
    // Without the mutex: this call may block, and the loop's Queue must not.
    const int sent =
        virStreamSend(stream_, reinterpret_cast<const char*>(sending_.data()), sending_.size());
    if (sent <= 0) break;  // full, or broken: then an ERROR event follows
    sending_.erase(sending_.begin(), sending_.begin() + sent);
    const std::lock_guard lock(mutex_);
    queued_ -= static_cast<std::size_t>(sent);
  }
  Watch();
}

void StreamPump::Watch() {
  const int events = (loop_is_reading_ ? 0 : VIR_STREAM_EVENT_READABLE) |
                     (sending_.empty() ? 0 : VIR_STREAM_EVENT_WRITABLE);
  if (virStreamEventUpdateCallback(stream_, events) < 0) virResetLastError();
}

void StreamPump::OnEvents(int events) {
  if (finished_) return;
  if ((events & VIR_STREAM_EVENT_READABLE) != 0) Receive();
  if (!finished_ && (events & VIR_STREAM_EVENT_WRITABLE) != 0) Flush();
  if (!finished_ && (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP)) != 0)
    Finish(Error{ErrorCode::kClosed, 0, "channel: the stream broke"});
}

void StreamPump::Receive() {
  std::vector<std::byte> chunk(kReadChunk);
  const int got = virStreamRecv(stream_, reinterpret_cast<char*>(chunk.data()), chunk.size());
  if (got == kWouldBlock) return;
  if (got == 0) return Finish(Error{ErrorCode::kClosed, 0, "channel closed by the VMM"});
  if (got < 0)
    return Finish(Error{ErrorCode::kIo, 0, std::string("channel: ") + virGetLastErrorMessage()});
  chunk.resize(static_cast<std::size_t>(got));
  loop_is_reading_ = true;
  Watch();
  listener_.Call([self = shared_from_this(), chunk = std::move(chunk)](ChannelListener& l) {
    l.ChannelBytes(chunk);
    self->chunk_taken_ = true;
    if (self->reading_) self->ReadOn();
  });
}

void StreamPump::SetReading(bool reading) {
  reading_ = reading;
  if (reading_ && chunk_taken_) ReadOn();
}

void StreamPump::ReadOn() {
  chunk_taken_ = false;
  thread_.Post([self = shared_from_this()] {
    self->loop_is_reading_ = false;
    self->Flush();
  });
}

void StreamPump::Finish(const Error& why) {
  if (std::exchange(finished_, true)) return;
  if (stream_ != nullptr) {
    const auto keep = shared_from_this();
    virStreamEventRemoveCallback(stream_);
    virStreamAbort(stream_);
    virStreamFree(stream_);
    stream_ = nullptr;
  }
  virResetLastError();
  listener_.Call([why](ChannelListener& l) { l.ChannelClosed(why); });
}

}  // namespace seaward
