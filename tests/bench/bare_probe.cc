#include "tests/bench/bare_probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/unix_socket.h"

namespace seaward::bench {
namespace {

constexpr std::size_t kMessageBytes = 64;  // bare_agent.c
constexpr int kReplyLimitMs = 60000;       // a guest that was descheduled on a busy machine

}  // namespace

Result<BareProbe> BareProbe::Connect(const std::string& socket_path, const Clock& clock) {
  auto socket = ConnectUnix(socket_path);
  if (!socket) return Forward(socket);
  return BareProbe(std::move(*socket), clock);
}

Result<std::chrono::nanoseconds> BareProbe::Retire(GuestPhysAddr page) {
  std::array<char, kMessageBytes> message{};
  const std::string text = FormatAddress(page.value);
  std::copy(text.begin(), text.end(), message.begin());
  const MonoTime begin = clock_->Now();
  if (::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(message.size())) {
    return FailErrno(errno, "send to bare_agent");
  }
  for (std::size_t got = 0; got < message.size();) {
    pollfd readable{socket_.get(), POLLIN, 0};
    if (::poll(&readable, 1, kReplyLimitMs) <= 0)
      return Fail(ErrorCode::kTimeout, "bare_agent does not answer");
    const ssize_t n = ::recv(socket_.get(), message.data() + got, message.size() - got, 0);
    if (n <= 0) return Fail(ErrorCode::kClosed, "bare_agent is gone");
    got += static_cast<std::size_t>(n);
  }
  const auto took = clock_->Now() - begin;
  if (message.back() != 0) return FailErrno(message.back(), "hard_offline_page " + text);
  return took;
}

}  // namespace seaward::bench
