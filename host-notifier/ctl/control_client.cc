#include "host-notifier/ctl/control_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/unix_socket.h"

namespace seaward::ctl {
namespace {

Status SendAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(errno, "control socket");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

// False at the end of the stream.
Result<bool> ReceiveSome(int fd, std::chrono::milliseconds patience, std::string& buffer) {
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  const int wait = patience.count() == 0 ? -1 : static_cast<int>(patience.count());
  const int polled = ::poll(&ready, 1, wait);
  if (polled < 0 && errno == EINTR) return true;
  if (polled < 0) return FailErrno(errno, "control socket");
  if (polled == 0) return Fail(ErrorCode::kTimeout, "the notifier does not answer");
  std::array<char, 65536> chunk;
  const ssize_t n = ::recv(fd, chunk.data(), chunk.size(), 0);
  if (n < 0 && errno == EINTR) return true;
  // The peer ended without reading all that we said.
  if (n < 0 && errno == ECONNRESET) return false;
  if (n < 0) return FailErrno(errno, "control socket");
  buffer.append(chunk.data(), static_cast<std::size_t>(n));
  return n > 0;
}

}  // namespace

Result<ControlClient> ControlClient::Connect(const std::string& path) {
  auto socket = ConnectUnix(path);
  if (!socket) return Forward(socket);
  return ControlClient(std::move(*socket));
}

Status ControlClient::Ask(const std::string& request, std::chrono::milliseconds patience,
                          const std::function<bool(const std::string&)>& take) {
  if (auto sent = Send(request + '\n'); !sent) return sent;
  return Listen(patience, take);
}

Status ControlClient::Send(std::string_view bytes) {
  return SendAll(socket_.get(), bytes);
}

void ControlClient::EndSending() {
  ::shutdown(socket_.get(), SHUT_WR);
}

Status ControlClient::Listen(std::chrono::milliseconds patience,
                             const std::function<bool(const std::string&)>& take) {
  std::string buffer;
  bool heard = false;
  std::size_t searched = 0;  // an answer may be of many megabytes
  for (;;) {
    const std::size_t end = buffer.find('\n', searched);
    searched = end == std::string::npos ? buffer.size() : 0;
    if (end != std::string::npos) {
      heard = true;
      if (!take(buffer.substr(0, end))) return {};
      buffer.erase(0, end + 1);
      continue;
    }
    const auto more = ReceiveSome(socket_.get(), patience, buffer);
    if (!more) return tl::unexpected<Error>(more.error());
    if (*more) continue;
    if (heard) return {};
    return Fail(ErrorCode::kClosed, "the notifier closed the connection without an answer");
  }
}

}  // namespace seaward::ctl
