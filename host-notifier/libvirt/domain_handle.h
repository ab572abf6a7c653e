// One domain of libvirt's in the hands of a program that does one thing after the other. Every call
// may block for as long as libvirtd does; a libvirtd that was restarted is found again at the next
// one. One thread.
#pragma once

#include <libvirt/libvirt.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/uuid.h"
#include "host-notifier/libvirt/domain_orders.h"

namespace seaward {

class DomainHandle {
 public:
  // kNotFound: libvirt knows no such domain; kClosed: nobody answers at `uri`.
  static Result<std::unique_ptr<DomainHandle>> Open(std::string uri,
                                                    const std::string& name_or_uuid);

  const Uuid& uuid() const { return uuid_; }
  const std::string& name() const { return name_; }

  // `running` and `paused` alone.
  Result<DomainState> Look();
  // Memory that it was started with.
  Result<std::uint64_t> MemoryBytes();
  // The element of that namespace, live or persistent; nullopt: there is none.
  Result<std::optional<std::string>> Metadata(const std::string& name_space);
  Status Pause();
  Status Resume();
  Status Reset();
  // The guest is asked, by its agent or its power button.
  Status Reboot();
  // A line of JSON for qemu-guest-agent, and its answer. kUnsupported: the domain has none, or it
  // does not answer.
  Result<std::string> AskGuestAgent(const std::string& command, std::chrono::seconds patience);
  // A line for QEMU's own monitor: libvirt marks the domain as tainted.
  Result<std::string> AskMonitor(const std::string& line);

 private:
  struct Close {
    void operator()(virConnectPtr connection) const { virConnectClose(connection); }
  };
  explicit DomainHandle(std::string uri) : uri_(std::move(uri)) {}
  Status Connect();
  // `call` with the domain; negative: libvirt's last error, under the name `what`.
  template <class Call>
  Status Do(const char* what, Call&& call);

  const std::string uri_;
  std::unique_ptr<virConnect, Close> connection_;
  Uuid uuid_;
  std::string name_;
};

}  // namespace seaward
