// The open virtio-serial port. Non-blocking throughout.
//
// With no host connected the port is readable for ever (POLLIN|POLLHUP, read = 0): a
// level-triggered wait would spin. Watch fd() edge-triggered: the kernel wakes it when the host
// connects, leaves, sends, or makes room.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::agent {

class AgentPort {
 public:
  // kBusy: another process has the port open.
  static Result<AgentPort> Open(const std::string& node);

  int fd() const { return fd_.get(); }

  struct Arrival {
    bool host_connected = false;
    std::size_t bytes = 0;  // 0: nothing (more) to read now
  };
  // Reads what is there into `buffer`. Read until `bytes` is 0: there is one wake-up per edge. An
  // error means that the port is gone (hot-unplugged): close it.
  Result<Arrival> Read(std::span<std::byte> buffer);

  // All of `frame` or nothing: false when there is no host or no room. A frame torn by the kernel
  // counts as sent; the receiver skips it and the protocol repeats what mattered.
  Result<bool> Send(std::span<const std::byte> frame);

 private:
  explicit AgentPort(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace seaward::agent
