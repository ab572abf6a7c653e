#include "guest-agent/port/uevent_socket.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace seaward::agent {
namespace {

constexpr unsigned kKernelEvents = 1;  // multicast group of the kernel; udev's is 2

}  // namespace

Result<UniqueFd> OpenUeventSocket() {
  UniqueFd fd(
      ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT));
  if (!fd.valid()) return FailErrno(errno, "uevent socket");
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = kKernelEvents;
  // The socket interface takes every family's address by this cast.
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return FailErrno(errno, "bind uevent socket");
  return fd;
}

}  // namespace seaward::agent
