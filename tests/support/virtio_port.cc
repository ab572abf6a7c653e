#include "tests/support/virtio_port.h"

namespace seaward::testing {

Result<std::string> PortNode(GuestShell& shell, const std::string& name) {
  constexpr int kMostPorts = 8;  // of our guests: one controller, few ports
  for (int port = 1; port < kMostPorts; ++port) {
    const std::string node = "vport0p" + std::to_string(port);
    auto reply = shell.Ask("read", {{"path", "/sys/class/virtio-ports/" + node + "/name"}});
    if (reply && (*reply)["text"].get<std::string>() == name + "\n") return "/dev/" + node;
  }
  return Fail(ErrorCode::kNotFound, "no port " + name);
}

}  // namespace seaward::testing
