// The one door to libvirt: domains and their life as calls on the loop, and channels as streams.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>

#include "base/result.h"
#include "host-notifier/channel/byte_channel.h"
#include "host-notifier/libvirt/domain_watch.h"

namespace seaward {

class LibvirtSource {
 public:
  // Starts the libvirt thread; it connects, and reconnects, by itself. `listener` is called on the
  // loop's thread only, and not after Stop. A libvirtd that is out of reach is no error.
  static Result<std::unique_ptr<LibvirtSource>> Start(boost::asio::io_context& loop,
                                                      LibvirtOptions options,
                                                      DomainListener& listener);
  ~LibvirtSource();
  LibvirtSource(const LibvirtSource&) = delete;
  LibvirtSource& operator=(const LibvirtSource&) = delete;

  // The channel of a running domain through libvirt; how opening went comes to the listener. The
  // source outlives its channels.
  std::unique_ptr<ByteChannel> OpenChannel(const Uuid& domain, ChannelListener& listener);

  // False when libvirt is stuck for longer than `patience`: its thread is left behind then.
  bool Stop(std::chrono::milliseconds patience);

 private:
  struct Parts;
  explicit LibvirtSource(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace seaward
