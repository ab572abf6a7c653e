#include "tests/support/guest_shell.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.h"
#include "base/unix_socket.h"

namespace seaward::testing {
namespace {

using std::chrono::milliseconds;

// The guest's own limit for a command is the asker's; the reply needs some time on its way.
constexpr milliseconds kWayBack{2000};
// A booting guest answers late or never; ask again this often.
constexpr milliseconds kStatusLimit{500};

}  // namespace

void GuestShell::Follow(std::string socket_path) {
  path_ = std::move(socket_path);
  socket_.Reset();
}

Status GuestShell::Connect() {
  if (socket_.valid()) return {};
  auto socket = ConnectUnix(path_);
  if (!socket) return Forward(socket);
  socket_ = std::move(*socket);
  received_.clear();
  return {};
}

Result<GuestShell::Json> GuestShell::Exchange(const Json& question, milliseconds limit) {
  if (auto connected = Connect(); !connected) return Forward(connected);
  const std::string line = question.dump() + "\n";
  if (::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(line.size())) {
    socket_.Reset();
    return FailErrno(errno, path_);
  }
  const SystemClock clock;
  const MonoTime deadline = clock.Now() + limit;
  while (true) {
    for (auto end = received_.find('\n'); end != std::string::npos; end = received_.find('\n')) {
      Json reply = Json::parse(received_.substr(0, end), nullptr, false);
      received_.erase(0, end + 1);
      if (reply.is_object() && reply.value("id", Json()) == question["id"]) return reply;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - clock.Now()).count();
    if (left <= 0) return Fail(ErrorCode::kTimeout, "no reply to " + question.dump());
    pollfd wait{socket_.get(), POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(left)) <= 0) continue;
    char bytes[65536];
    const ssize_t n = ::read(socket_.get(), bytes, sizeof(bytes));
    if (n <= 0) {
      socket_.Reset();
      return Fail(ErrorCode::kClosed, path_);
    }
    received_.append(bytes, static_cast<std::size_t>(n));
  }
}

Result<GuestShell::Json> GuestShell::Ask(const std::string& command, Json arguments,
                                         milliseconds limit) {
  arguments["command"] = command;
  arguments["limit_ms"] = limit.count();
  // Unique over processes too: an old reply may come out of the port at any time.
  arguments["id"] = std::to_string(::getpid()) + "-" +
                    std::to_string(reinterpret_cast<std::uintptr_t>(this)) + "-" +
                    std::to_string(++asked_);
  auto reply = Exchange(arguments, limit + kWayBack);
  if (!reply) return Forward(reply);
  if (!reply->value("ok", false)) {
    return Fail(ErrorCode::kIo, command + ": " + reply->value("error", std::string("no reason")),
                reply->value("errno", 0));
  }
  return reply;
}

Result<std::string> GuestShell::WaitForBoot(const std::string& previous_boot, milliseconds limit) {
  const SystemClock clock;
  const MonoTime deadline = clock.Now() + limit;
  while (clock.Now() < deadline) {
    auto status = Ask("status", {}, kStatusLimit);
    if (status) {
      auto boot = status->value("boot_id", std::string());
      if (!boot.empty() && boot != previous_boot) return boot;
    }
    ::poll(nullptr, 0, 50);  // the socket may not be there yet
  }
  return Fail(ErrorCode::kTimeout, "the guest does not come up");
}

Result<GuestShell::Json> NestedGuestShell::Exchange(const Json& question, milliseconds limit) {
  auto passed = outer_.Ask("forward", {{"socket", path_}, {"request", question}}, limit);
  if (!passed) return Forward(passed);
  return (*passed)["reply"];
}

}  // namespace seaward::testing
