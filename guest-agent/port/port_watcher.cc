#include "guest-agent/port/port_watcher.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "guest-agent/port/uevent_socket.h"

namespace seaward::agent {

Result<PortWatcher> PortWatcher::Open() {
  auto fd = OpenUeventSocket();
  if (!fd) return Forward(fd);
  return PortWatcher(std::move(*fd));
}

void PortWatcher::Drain() {
  std::array<char, 4096> event;
  // ENOBUFS: some were lost; there is more to read or there is not.
  while (::recv(fd_.get(), event.data(), event.size(), 0) >= 0 || errno == ENOBUFS ||
         errno == EINTR) {
  }
}

}  // namespace seaward::agent
