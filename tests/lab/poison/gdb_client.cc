#include "tests/lab/poison/gdb_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/byte_codec.h"
#include "base/unix_socket.h"

namespace seaward::lab {
namespace {

constexpr std::size_t kChunk = 1024;       // the stub's buffer holds 4096 characters
constexpr std::size_t kPcOffset = 8 * 32;  // in the `g` reply: x0..x30, sp, pc, little-endian

}  // namespace

Result<GdbClient> GdbClient::Connect(const std::string& path, std::chrono::milliseconds patience) {
  auto fd = ConnectUnix(path);
  if (!fd && fd.error().sys_errno == 0) return Forward(fd);  // the path, not the machine
  if (!fd) return Fail(ErrorCode::kClosed, "guest gone: gdb stub " + path, fd.error().sys_errno);
  GdbClient client(std::move(*fd), patience);
  // Addresses are physical from here on: the CPUs may stand in any translation regime.
  if (auto ok = client.ExpectOk("Qqemu.PhyMemMode:1"); !ok) return Forward(ok);
  return client;
}

Status GdbClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Fail(ErrorCode::kClosed, "guest gone: gdb stub", errno);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::string> GdbClient::Receive() {
  for (;;) {
    auto packet = reader_.Next();
    if (!packet) return Forward(packet);
    if (packet->has_value()) {
      if (auto sent = Send("+"); !sent) return Forward(sent);
      return std::move(**packet);
    }
    pollfd wait{socket_.get(), POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(patience_.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Fail(ErrorCode::kTimeout, "gdb stub does not answer");
    char buffer[4096];
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof(buffer), 0);
    if (got <= 0) return Fail(ErrorCode::kClosed, "guest gone: gdb stub closed");
    reader_.Append({buffer, static_cast<std::size_t>(got)});
  }
}

Result<std::string> GdbClient::Exchange(std::string_view payload) {
  if (auto sent = Send(EncodeGdbPacket(payload)); !sent) return Forward(sent);
  for (;;) {
    auto reply = Receive();
    // A stop notice that was on its way when the stub took the connection.
    if (reply && reply->starts_with('T') && payload != "?") continue;
    return reply;
  }
}

Status GdbClient::ExpectOk(std::string_view payload) {
  auto reply = Exchange(payload);
  if (!reply) return Forward(reply);
  if (*reply != "OK")
    return Fail(ErrorCode::kUnsupported,
                fmt::format("gdb stub says \"{}\" to {}", *reply, payload.substr(0, 40)));
  return {};
}

Result<std::vector<std::byte>> GdbClient::Read(HostPhysAddr at, std::size_t bytes) {
  std::vector<std::byte> out;
  while (out.size() < bytes) {
    const std::size_t part = std::min(kChunk, bytes - out.size());
    auto reply = Exchange(fmt::format("m{:x},{:x}", at.value + out.size(), part));
    if (!reply) return Forward(reply);
    auto read = FromHex(*reply);
    if (!read || read->size() != part)
      return Fail(ErrorCode::kIo, fmt::format("gdb stub cannot read {:#x}", at.value + out.size()));
    out.insert(out.end(), read->begin(), read->end());
  }
  return out;
}

Status GdbClient::Write(HostPhysAddr at, std::span<const std::byte> bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const auto part = bytes.subspan(done, std::min(kChunk, bytes.size() - done));
    auto written =
        ExpectOk(fmt::format("M{:x},{:x}:{}", at.value + done, part.size(), ToHex(part)));
    if (!written) return written;
    done += part.size();
  }
  return {};
}

Result<std::vector<KernelVirtAddr>> GdbClient::ProgramCounters() {
  std::vector<KernelVirtAddr> out;
  auto list = Exchange("qfThreadInfo");
  if (!list) return Forward(list);
  std::string_view ids = *list;
  while (ids.size() > 1) {  // "m01,02"
    ids.remove_prefix(1);
    const auto end = std::min(ids.find(','), ids.size());
    if (auto ok = ExpectOk(fmt::format("Hg{}", ids.substr(0, end))); !ok) return Forward(ok);
    auto registers = Exchange("g");
    if (!registers) return Forward(registers);
    auto bytes = FromHex(*registers);
    if (!bytes || bytes->size() < kPcOffset + 8)
      return Fail(ErrorCode::kCorrupt, "gdb stub: short register block");
    out.push_back({ByteReader(std::span(*bytes).subspan(kPcOffset, 8)).Get<std::uint64_t>()});
    ids.remove_prefix(end);
  }
  return out;
}

Status GdbClient::Detach() {
  return ExpectOk("D");
}

}  // namespace seaward::lab
