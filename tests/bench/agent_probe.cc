#include "tests/bench/agent_probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/unix_socket.h"
#include "protocol/codec.h"

namespace seaward::bench {
namespace {

using protocol::Outcome;

const Uuid kIncarnation = ParseUuid("5ea3a4d0-0000-4000-8000-00000000be9e").value();
constexpr int kAnswerLimitMs = 60000;  // a guest that was descheduled on a busy machine

}  // namespace

Result<AgentProbe> AgentProbe::Connect(const std::string& socket_path, const Clock& clock) {
  auto socket = ConnectUnix(socket_path);
  if (!socket) return Forward(socket);
  AgentProbe probe(std::move(*socket), clock);
  if (auto asked = probe.Send(protocol::HelloRequest{}); !asked) return Forward(asked);
  if (auto heard = probe.ReadUntil("sync", [&probe] { return probe.synced_; }); !heard)
    return Forward(heard);
  return probe;
}

Status AgentProbe::Send(const protocol::Message& message) {
  const bool calls = std::holds_alternative<protocol::HelloRequest>(message);
  auto frame = protocol::EncodeFrame(message, calls ? protocol::Nonce::kNone : nonce_,
                                     calls ? 1 : ++sequence_);
  if (!frame) return Forward(frame);
  if (::send(socket_.get(), frame->data(), frame->size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(frame->size()))
    return FailErrno(errno, "send to the agent");
  return {};
}

template <class Condition>
Status AgentProbe::ReadUntil(const char* what, Condition holds) {
  std::array<std::byte, 8192> chunk;
  while (!holds()) {
    pollfd readable{socket_.get(), POLLIN, 0};
    if (::poll(&readable, 1, kAnswerLimitMs) <= 0)
      return Fail(ErrorCode::kTimeout, std::string("the agent does not say ") + what);
    const ssize_t n = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
    if (n <= 0) return Fail(ErrorCode::kClosed, "the agent's channel");
    reader_.Feed(std::span(chunk).first(static_cast<std::size_t>(n)),
                 [this](const protocol::Frame& frame) { Hear(frame); });
  }
  return {};
}

void AgentProbe::Hear(const protocol::Frame& frame) {
  const auto message = protocol::Decode(frame);
  if (!message) return;
  if (std::holds_alternative<protocol::Hello>(*message)) {
    Welcome(frame.header.nonce);
  } else if (frame.header.nonce != nonce_) {
    return;
  } else if (std::holds_alternative<protocol::Sync>(*message)) {
    synced_ = true;
  } else if (const auto* verdict = std::get_if<protocol::Verdict>(&*message)) {
    for (const protocol::VerdictRecord& record : verdict->records)
      if (record.id == id_) outcome_ = record.outcome;
  }
}

// The newest session counts. Nothing is to be retired yet; what could not be sent is missed when
// the agent says no sync.
void AgentProbe::Welcome(protocol::Nonce nonce) {
  if (nonce == nonce_) return;
  nonce_ = nonce;
  sequence_ = 0;
  synced_ = false;
  (void)Send(protocol::HelloAck{kIncarnation, {}});
  (void)Send(protocol::Sync{});
}

Result<std::chrono::nanoseconds> AgentProbe::Retire(GuestPhysAddr page) {
  outcome_.reset();
  const protocol::Poison poison{
      {{++id_, ByteRange::Granule(page), protocol::Evidence::kConsumed, false}}};
  const MonoTime begin = clock_->Now();
  if (auto sent = Send(poison); !sent) return Forward(sent);
  if (auto heard = ReadUntil("its verdict", [this] { return outcome_.has_value(); }); !heard)
    return Forward(heard);
  const auto took = clock_->Now() - begin;
  if (*outcome_ != Outcome::kRetired)
    return Fail(ErrorCode::kBusy,
                FormatAddress(page.value) + ": " + std::string(protocol::ToString(*outcome_)));
  return took;
}

}  // namespace seaward::bench
