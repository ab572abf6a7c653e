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

Status BareProbe::Send(GuestPhysAddr page) {
  std::array<char, kMessageBytes> message{};
  const std::string text = FormatAddress(page.value);
  std::copy(text.begin(), text.end(), message.begin());
  if (::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(message.size())) {
    return FailErrno(errno, "send to bare_agent");
  }
  return {};
}

Result<int> BareProbe::Receive() {
  std::array<char, kMessageBytes> message{};
  for (std::size_t got = 0; got < message.size();) {
    pollfd readable{socket_.get(), POLLIN, 0};
    if (::poll(&readable, 1, kReplyLimitMs) <= 0)
      return Fail(ErrorCode::kTimeout, "bare_agent does not answer");
    const ssize_t n = ::recv(socket_.get(), message.data() + got, message.size() - got, 0);
    if (n <= 0) return Fail(ErrorCode::kClosed, "bare_agent is gone");
    got += static_cast<std::size_t>(n);
  }
  return message.back();
}

Result<std::chrono::nanoseconds> BareProbe::Retire(GuestPhysAddr page) {
  const MonoTime begin = clock_->Now();
  if (auto sent = Send(page); !sent) return Forward(sent);
  auto error = Receive();
  if (!error) return Forward(error);
  const auto took = clock_->Now() - begin;
  if (*error != 0) return FailErrno(*error, "hard_offline_page " + FormatAddress(page.value));
  return took;
}

Result<std::chrono::nanoseconds> BareProbe::RetireAll(const std::vector<GuestPhysAddr>& pages) {
  const MonoTime begin = clock_->Now();
  for (const GuestPhysAddr page : pages)
    if (auto sent = Send(page); !sent) return Forward(sent);
  for (std::size_t i = 0; i < pages.size(); ++i)
    if (auto error = Receive(); !error) return Forward(error);
  return clock_->Now() - begin;
}

}  // namespace seaward::bench
