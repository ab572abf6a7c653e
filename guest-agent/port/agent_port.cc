#include "guest-agent/port/agent_port.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/file_io.h"

namespace seaward::agent {

Result<AgentPort> AgentPort::Open(const std::string& node) {
  auto fd = OpenFile(node, O_RDWR | O_NONBLOCK | O_NOCTTY);
  if (!fd) return Forward(fd);
  return AgentPort(std::move(*fd));
}

Result<AgentPort::Arrival> AgentPort::Read(std::span<std::byte> buffer) {
  for (;;) {
    const ssize_t n = ::read(fd_.get(), buffer.data(), buffer.size());
    // 0 is the port's way to say that no host is there and nothing is left of it.
    if (n >= 0) return Arrival{n > 0, static_cast<std::size_t>(n)};
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return Arrival{true, 0};
    return FailErrno(errno, "read from the port");
  }
}

Result<bool> AgentPort::Send(std::span<const std::byte> frame) {
  for (;;) {
    const ssize_t n = ::write(fd_.get(), frame.data(), frame.size());
    if (n >= 0) return n > 0;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EPIPE) return false;
    return FailErrno(errno, "write to the port");
  }
}

}  // namespace seaward::agent
