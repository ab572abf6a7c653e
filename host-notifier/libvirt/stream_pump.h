// Carries one channel's bytes over a libvirt stream. For channels whose socket is not reachable
// here. virStreamSend blocks the thread once a guest stops reading for 64 KiB, whatever its flags
// say: ByteChannel's limit keeps below that, and only the libvirt thread would wait.
#pragma once

#include <libvirt/libvirt.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host-notifier/channel/byte_channel.h"
#include "host-notifier/libvirt/event_thread.h"
#include "host-notifier/loop/loop_poster.h"

namespace seaward {

// Confined to the EventThread except for Queue. Lives until it has finished.
class StreamPump : public std::enable_shared_from_this<StreamPump> {
 public:
  StreamPump(EventThread& thread, LoopPoster<ChannelListener> listener)
      : thread_(thread), listener_(std::move(listener)) {}
  ~StreamPump();

  void Open(virConnectPtr connection, virDomainPtr domain, const std::string& channel_name);
  // Sends what is queued, as far as libvirt takes it.
  void Flush();
  // Ends the stream; the listener hears of the first reason only.
  void Finish(const Error& why);

  // From any thread: all or nothing within kMaxQueued. Call Flush on the thread afterwards.
  bool Queue(std::span<const std::byte> bytes);
  // From the loop's thread.
  void SetReading(bool reading);

 private:
  void OnEvents(int events);
  void Receive();
  void ReadOn();
  void Watch();

  EventThread& thread_;
  const LoopPoster<ChannelListener> listener_;
  virStreamPtr stream_ = nullptr;
  bool finished_ = false;
  bool loop_is_reading_ = false;  // one chunk is on its way to the loop: read no further meanwhile
  std::vector<std::byte> sending_;
  bool reading_ = true;       // the loop's thread only
  bool chunk_taken_ = false;  // the loop's thread only: the next read waits for reading_
  std::mutex mutex_;
  std::vector<std::byte> waiting_;  // guarded by mutex_
  std::size_t queued_ = 0;          // waiting and sending; guarded by mutex_
};

}  // namespace seaward
