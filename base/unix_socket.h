// Unix sockets by path. Errors: kInvalid when the path is empty or does not fit an address with its
// final NUL; otherwise by errno, naming the path. Every descriptor is close-on-exec.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward {

Result<sockaddr_un> UnixAddress(const std::string& path);

// A client's end. `type`: SOCK_STREAM or SOCK_SEQPACKET, with SOCK_NONBLOCK added where wanted.
Result<UniqueFd> ConnectUnix(const std::string& path, int type = SOCK_STREAM);

// A server's end, with room for one client that waits. Fails where something is at `path` already.
Result<UniqueFd> ListenUnix(const std::string& path, int type = SOCK_STREAM);

// Removes the socket that a killed server left at `path`: it refuses connections. kExists when
// somebody listens there, or when it is no socket. `type`: the server's, SOCK_NONBLOCK is added.
Status RemoveAbandonedSocket(const std::string& path, int type);

}  // namespace seaward
