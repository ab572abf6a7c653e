#include "host-notifier/observe/control_server.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/unix_socket.h"
#include "host-notifier/observe/control_connection.h"
#include "host-notifier/observe/json_lines.h"

namespace seaward::observe {
namespace {

using boost::asio::local::stream_protocol;
using boost::system::error_code;

constexpr std::size_t kMaxClients = 64;
// Descriptors come back when somebody else closes one; asking more often changes nothing.
constexpr std::chrono::seconds kAcceptPause{1};

Status FailWithCode(const error_code& error, const std::string& what) {
  return FailErrno(error.value(), what);
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::Open(boost::asio::io_context& loop,
                                                           const std::string& path,
                                                           ControlHandler& handler) {
  if (auto address = UnixAddress(path); !address) return Forward(address);
  if (auto removed = RemoveAbandonedSocket(path, SOCK_STREAM); !removed) return Forward(removed);
  std::unique_ptr<ControlServer> server(new ControlServer(loop, path, handler));
  if (auto listening = server->Listen(); !listening) return Forward(listening);
  return server;
}

ControlServer::ControlServer(boost::asio::io_context& loop, std::string path,
                             ControlHandler& handler)
    : loop_(loop), path_(std::move(path)), handler_(handler), acceptor_(loop), pause_(loop) {}

ControlServer::~ControlServer() {
  const bool bound = acceptor_.is_open();
  error_code ignored;
  acceptor_.close(ignored);
  if (bound) ::unlink(path_.c_str());
  for (const auto& connection : connections_) connection->Close();
}

Status ControlServer::Listen() {
  error_code error;
  stream_protocol::acceptor acceptor(loop_);
  acceptor.open(stream_protocol(), error);
  if (error) return FailWithCode(error, "socket");
  acceptor.bind(stream_protocol::endpoint(path_), error);
  if (error) return FailWithCode(error, "bind " + path_);
  acceptor_ = std::move(acceptor);  // from here on the path is ours to remove
  // Nobody can connect before listen, so nobody sees the mode that bind gave it.
  if (::chmod(path_.c_str(), 0600) != 0) return FailErrno(errno, "chmod " + path_);
  acceptor_.listen(static_cast<int>(kMaxClients), error);
  if (error) return FailWithCode(error, "listen on " + path_);
  AcceptNext();
  return {};
}

void ControlServer::AcceptNext() {
  const std::weak_ptr<bool> alive = alive_;
  acceptor_.async_accept([this, alive](const error_code& error, Socket socket) {
    if (alive.expired() || error == boost::asio::error::operation_aborted) return;
    if (!error) {
      Accepted(std::move(socket));
      return AcceptNext();
    }
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this, alive](const error_code& cancelled) {
      if (!cancelled && !alive.expired()) AcceptNext();
    });
  });
}

void ControlServer::Accepted(Socket socket) {
  if (connections_.size() >= kMaxClients) return;  // closes it: the client sees the end
  const auto connection = std::make_shared<ControlConnection>(
      std::move(socket), handler_,
      [this](const std::shared_ptr<ControlConnection>& done) { connections_.erase(done); });
  connections_.insert(connection);
  connection->Start();
}

void ControlServer::Publish(const Uuid& vm, const std::string& line) {
  for (const auto& connection : connections_) connection->Publish(vm, line);
}

void ControlServer::EventRecorded(const ledger::VmIdentity& vm, const PoisonEvent& event) {
  if (!connections_.empty()) Publish(vm.uuid, WatchEventLine(vm, event));
}

void ControlServer::PageChanged(const ledger::PageRow& page) {
  if (!connections_.empty()) Publish(page.vm.uuid, WatchPageLine(page));
}

void ControlServer::AlarmChanged(const ledger::AlarmRow& alarm) {
  if (!connections_.empty()) Publish(alarm.vm.uuid, WatchAlarmLine(alarm));
}

}  // namespace seaward::observe
