// Where commands come from: one line in, one line out, for ever. Single-threaded.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace seaward::testd {

class LineChannel {
 public:
  virtual ~LineChannel() = default;
  // Blocks until a whole line is there. Lines longer than 1 MiB are dropped.
  virtual Result<std::string> ReadLine() = 0;
  // Drops the line when nobody is connected: the asker is gone.
  virtual Status WriteLine(const std::string& line) = 0;
};

// The virtio-serial port of that name, found without udev; waits up to 10 s for it to appear
// (virtio probes while /init runs). Survives the host's disconnecting and reconnecting.
Result<std::unique_ptr<LineChannel>> OpenVirtioPort(const std::string& port_name);

// Listens on a unix stream socket, one client at a time.
Result<std::unique_ptr<LineChannel>> ListenOnUnixSocket(const std::string& path);

// The device node of the port of that name ("/dev/vport1p2").
Result<std::string> FindVirtioPort(const std::string& port_name);

}  // namespace seaward::testd
