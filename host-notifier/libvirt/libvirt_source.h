// The one door to libvirt: domains and their life as calls on the loop, and channels as streams.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "host-notifier/channel/byte_channel.h"
#include "host-notifier/libvirt/domain_mark.h"
#include "host-notifier/libvirt/domain_orders.h"
#include "host-notifier/libvirt/domain_watch.h"

namespace seaward {

class LibvirtLink;

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

  // By name or UUID, running or not. kNotFound: libvirt does not know it; kClosed: out of reach.
  // `done` is called on the loop's thread, later, and not after Stop.
  void FetchXml(const std::string& name_or_uuid, std::function<void(Result<DomainXml>)> done);
  // Into the running domain's metadata. `done` as above.
  void WriteMark(const Uuid& domain, const DomainMark& mark, std::function<void(Status)> done);

  // What a domain is now; one that libvirt does not know does not run. `done` as above.
  void Look(const Uuid& domain, std::function<void(Result<DomainState>)> done);
  void Give(const Uuid& domain, DomainOrder order, std::function<void(Status)> done);
  // A stopped domain, from scratch; `xml` when it was transient. `done` as above.
  void StartDomain(const Uuid& domain, const std::string& xml, std::function<void(Status)> done);

  // False when libvirt is stuck for longer than `patience`: its thread is left behind then.
  bool Stop(std::chrono::milliseconds patience);

 private:
  struct Parts;
  // Asks the link on its thread and hands the answer to `done` on the loop's.
  template <class Answer>
  void Ask(std::function<Answer(LibvirtLink&)> question, std::function<void(Answer)> done);
  explicit LibvirtSource(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace seaward
