// The host's end of one guest's virtio port: bytes out, bytes in. What carries them (a unix socket,
// a libvirt stream) is the connector's business. Everything here happens on the event loop's thread
// and blocks nobody.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <span>

#include "base/result.h"

namespace seaward {

class ChannelListener {
 public:
  virtual ~ChannelListener() = default;
  // Once, before any bytes. Says that the host's end is open; the guest may still be absent.
  virtual void ChannelOpened() = 0;
  // `bytes` live for the duration of the call. The channel may be destroyed inside it.
  virtual void ChannelBytes(std::span<const std::byte> bytes) = 0;
  // Last call; also when opening failed. The channel may be destroyed inside it.
  virtual void ChannelClosed(const Error& why) = 0;
};

class ByteChannel {
 public:
  // Closes. No listener call follows.
  virtual ~ByteChannel() = default;
  // Takes all of `bytes` or none: false when more than kMaxQueued would wait, or not open.
  virtual bool Send(std::span<const std::byte> bytes) = 0;
  // false: takes in no more bytes until true again. A new channel reads.
  virtual void SetReading(bool reading) = 0;
  // The process that listens at the other end, when the kernel vouches for it.
  virtual std::optional<pid_t> PeerPid() const { return std::nullopt; }
};

// Bytes that a channel holds for a guest that does not read. Above the session's own limit on
// outstanding bytes (protocol/spec.md), below the 64 KiB after which a libvirt stream blocks.
inline constexpr std::size_t kMaxQueued = 60 * 1024;

}  // namespace seaward
