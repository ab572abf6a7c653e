#include "base/unix_socket.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace seaward {

Result<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return Fail(ErrorCode::kInvalid, "socket path '" + path + "' is empty or too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<UniqueFd> ConnectUnix(const std::string& path, int type) {
  auto address = UnixAddress(path);
  if (!address) return Forward(address);
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return FailErrno(errno, "socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return FailErrno(errno, path);
  return socket;
}

Result<UniqueFd> ListenUnix(const std::string& path, int type) {
  auto address = UnixAddress(path);
  if (!address) return Forward(address);
  UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return FailErrno(errno, "socket");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
      ::listen(socket.get(), 1) != 0)
    return FailErrno(errno, path);
  return socket;
}

Status RemoveAbandonedSocket(const std::string& path, int type) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return {};
  if (!S_ISSOCK(st.st_mode)) return Fail(ErrorCode::kExists, path + " is no socket");
  auto address = UnixAddress(path);
  if (!address) return Forward(address);
  const UniqueFd probe(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return FailErrno(errno, "socket");
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0 ||
      errno == EAGAIN)
    return Fail(ErrorCode::kExists, path + ": somebody listens there");
  ::unlink(path.c_str());
  return {};
}

}  // namespace seaward
