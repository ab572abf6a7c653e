// Tells the service manager how we are (sd_notify(3) protocol: one datagram to $NOTIFY_SOCKET).
// Spoken by hand: the protocol is one sendto, and libsystemd would be a dependency for it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace seaward {

class ServiceNotify {
 public:
  // An empty path: nobody listens, every call succeeds.
  explicit ServiceNotify(std::string socket_path) : path_(std::move(socket_path)) {}
  Status Ready() const { return Send("READY=1"); }
  Status Stopping() const { return Send("STOPPING=1"); }
  // One line for `systemctl status`.
  Status State(std::string_view text) const { return Send("STATUS=" + std::string(text)); }

 private:
  Status Send(const std::string& message) const;
  std::string path_;
};

}  // namespace seaward
