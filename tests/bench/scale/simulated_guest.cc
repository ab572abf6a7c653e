#include "tests/bench/scale/simulated_guest.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "protocol/codec.h"

namespace seaward::bench {
namespace {

// Reads per turn: a guest that is told a lot leaves room for its neighbours.
constexpr int kReadsPerTurn = 8;

agent::AgentIdentity IdentityOf(std::uint64_t number) {
  agent::AgentIdentity identity;
  for (std::size_t i = 0; i < sizeof(number); ++i)
    identity.boot_id.bytes[i] = static_cast<std::byte>(number >> (8 * i));
  identity.boot_id.bytes[15] = std::byte{0xb0};
  identity.version = SEAWARD_VERSION;
  return identity;
}

}  // namespace

SimulatedGuest::SimulatedGuest(std::uint64_t number, UniqueFd listener, const Clock& clock)
    : number_(number),
      listener_(std::move(listener)),
      retirer_(kernel_, kernel_, no_record_, clock, agent::PageSize{}, protocol::Stage::kRun),
      desk_(kernel_, retirer_, clock, {}),
      session_(IdentityOf(number), {}, clock, desk_, *this) {}

bool SimulatedGuest::Accept() {
  if (channel_.valid()) return false;
  channel_.Reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!channel_.valid()) return false;
  session_.HostConnected();
  return true;
}

void SimulatedGuest::Serve() {
  std::array<std::byte, 8192> chunk;
  for (int reads = 0; reads < kReadsPerTurn && channel_.valid(); ++reads) {
    const ssize_t n = ::recv(channel_.get(), chunk.data(), chunk.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (n <= 0) return HostLeft();
    const auto bytes = std::span(chunk).first(static_cast<std::size_t>(n));
    Count(bytes);
    session_.BytesReceived(bytes);
  }
  Work();
}

void SimulatedGuest::Work() {
  if (channel_.valid() && !Flush()) return;
  session_.Work();
}

void SimulatedGuest::HostLeft() {
  channel_.Reset();
  unsent_.clear();
  reader_.Reset();
  synced_ = false;
  session_.HostGone();
}

bool SimulatedGuest::Flush() {
  while (!unsent_.empty()) {
    const ssize_t n = ::send(channel_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    unsent_.erase(unsent_.begin(), unsent_.begin() + n);
  }
  return true;
}

// As a virtio port: all or nothing. What the socket took in part leaves before anything else.
bool SimulatedGuest::SendFrame(std::span<const std::byte> frame) {
  if (!channel_.valid() || !Flush()) return false;
  const ssize_t n = ::send(channel_.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
  if (n < 0) return false;
  const auto rest = frame.subspan(static_cast<std::size_t>(n));
  unsent_.assign(rest.begin(), rest.end());
  return true;
}

void SimulatedGuest::Count(std::span<const std::byte> bytes) {
  bytes_heard_ += bytes.size();
  reader_.Feed(bytes, [this](const protocol::Frame& frame) {
    const auto message = protocol::Decode(frame);
    if (!message) return;
    if (const auto* poison = std::get_if<protocol::Poison>(&*message))
      entries_heard_ += poison->entries.size();
  });
}

}  // namespace seaward::bench
