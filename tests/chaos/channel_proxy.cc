#include "tests/chaos/channel_proxy.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <string_view>

#include "base/unix_socket.h"
#include "protocol/codec.h"

namespace seaward::chaos {
namespace {

// Beyond this a direction is not read: its other end is slow.
constexpr std::size_t kMostWaiting = 64U << 10;

short Wanted(const ChannelWire& reads_into, const ChannelWire& writes_from) {
  int wanted = 0;
  if (reads_into.waiting().size() < kMostWaiting) wanted |= POLLIN;
  if (!writes_from.waiting().empty()) wanted |= POLLOUT;
  return static_cast<short>(wanted);
}

}  // namespace

Result<ChannelProxy> ChannelProxy::Listen(const std::string& path, std::string guest_path) {
  auto address = UnixAddress(path);
  if (!address) return Forward(address);
  ::unlink(path.c_str());
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener.valid() ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      ::listen(listener.get(), 4) != 0)
    return FailErrno(errno, path);
  return ChannelProxy(std::move(listener), std::move(guest_path));
}

void ChannelProxy::Cut() {
  host_.Reset();
  guest_.Reset();
  to_guest_.Cut();
  to_host_.Cut();
  guests_words_.Reset();
}

void ChannelProxy::Accept() {
  UniqueFd host(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!host.valid()) return;
  auto guest = ConnectUnix(guest_path_);
  if (!guest) return;  // no guest now: the notifier tries again
  Cut();               // a new connection of the notifier's ends the old one
  ::fcntl(guest->get(), F_SETFL, O_NONBLOCK);
  host_ = std::move(host);
  guest_ = std::move(*guest);
}

void ChannelProxy::Pass(const UniqueFd& from, ChannelWire& wire) {
  std::array<char, 4096> bytes;
  const ssize_t n = ::read(from.get(), bytes.data(), bytes.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return Cut();
  const std::string_view heard(bytes.data(), static_cast<std::size_t>(n));
  wire.Takes(heard);
  if (&wire != &to_host_) return;
  guests_words_.Feed(std::as_bytes(std::span(heard)), [this](const protocol::Frame& frame) {
    nonce_ = frame.header.nonce;
    sequence_ = frame.header.sequence;
  });
}

bool ChannelProxy::Flush(ChannelWire& wire, const UniqueFd& to) {
  while (!wire.waiting().empty()) {
    const ssize_t n = ::send(to.get(), wire.waiting().data(), wire.waiting().size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    wire.Delivered(static_cast<std::size_t>(n));
  }
  return true;
}

void ChannelProxy::GiveVerdict(const FalseVerdict& verdict) {
  protocol::Verdict said;
  said.records.push_back({.id = verdict.entry, .range = verdict.range, .outcome = verdict.outcome});
  constexpr std::uint64_t kNobodys = 0x5ea3a4d05ea3a4d0;
  const auto nonce = verdict.of_this_session ? nonce_ : protocol::Nonce{kNobodys};
  const auto frame = protocol::EncodeFrame(said, nonce, sequence_ + 1);
  if (!frame) return;
  to_host_.Injects({reinterpret_cast<const char*>(frame->data()), frame->size()});
}

void ChannelProxy::Obey(const VmmOrder& order) {
  ChannelWire& wire = order.towards == Towards::kGuest ? to_guest_ : to_host_;
  switch (order.kind) {
    case VmmOrder::Kind::kGarbage:
      return wire.Injects(order.bytes);
    case VmmOrder::Kind::kLose:
      return wire.LoseNext(order.count);
    case VmmOrder::Kind::kRepeat:
      return wire.RepeatHistory();
    case VmmOrder::Kind::kCut:
      return Cut();
    case VmmOrder::Kind::kVerdict:
      return GiveVerdict(order.verdict);
    case VmmOrder::Kind::kPublish:
      return;
  }
}

void ChannelProxy::Prepare(pollfd (&waits)[kWaits]) const {
  // A descriptor of -1 is left out by poll.
  waits[0] = {listener_.get(), POLLIN, 0};
  waits[1] = {host_.get(), Wanted(to_guest_, to_host_), 0};
  waits[2] = {guest_.get(), Wanted(to_host_, to_guest_), 0};
}

void ChannelProxy::Serve(const pollfd (&waits)[kWaits]) {
  if (waits[0].revents != 0) return Accept();  // the descriptors may be others now
  if ((waits[1].revents & ~POLLOUT) != 0 && host_.valid()) Pass(host_, to_guest_);
  if ((waits[2].revents & ~POLLOUT) != 0 && guest_.valid()) Pass(guest_, to_host_);
  if (host_.valid() && Flush(to_guest_, guest_) && Flush(to_host_, host_)) return;
  Cut();
}

}  // namespace seaward::chaos
