// The control socket: one JSON request line, then reply lines; `watch` streams until the client
// goes. Clients are bounded in number, line length, patience and unread output; a watcher that
// reads too slowly loses lines and is told how many.
//
// Thread: the loop's.
#pragma once

#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "host-notifier/observe/control_handler.h"

namespace seaward::observe {

class ControlConnection;

class ControlServer {
 public:
  // Binds `path` with mode 0600. Removes a socket that nobody listens on; kExists when somebody
  // does, or when something else has the path. `loop` and `handler` outlive the server.
  static Result<std::unique_ptr<ControlServer>> Open(boost::asio::io_context& loop,
                                                     const std::string& path,
                                                     ControlHandler& handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // For watchers: something became durable.
  void EventRecorded(const ledger::VmIdentity& vm, const PoisonEvent& event);
  void PageChanged(const ledger::PageRow& page);
  void AlarmChanged(const ledger::AlarmRow& alarm);

 private:
  using Socket = boost::asio::local::stream_protocol::socket;
  ControlServer(boost::asio::io_context& loop, std::string path, ControlHandler& handler);
  Status Listen();
  void AcceptNext();
  void Accepted(Socket socket);
  void Publish(const Uuid& vm, const std::string& line);

  boost::asio::io_context& loop_;
  const std::string path_;
  ControlHandler& handler_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer pause_;  // between accepts that fail for want of descriptors
  std::set<std::shared_ptr<ControlConnection>> connections_;
  // Completions that were queued before the end come after it: they look here first.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace seaward::observe
