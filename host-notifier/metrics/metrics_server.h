// GET /metrics over HTTP/1.1, on the event loop: no thread of its own. Scrapers are bounded in
// number, size and patience; each gets one answer, and the end.
//
// Thread: the loop's.
#pragma once

#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace seaward::metrics {

class MetricsServer {
 public:
  // Calls `done` once, on the loop's thread, at once or later.
  using Source = std::function<void(std::function<void(Result<std::string>)> done)>;

  // `address` is numeric; port 0: any free one. `loop` and what `source` uses outlive the server.
  static Result<std::unique_ptr<MetricsServer>> Open(boost::asio::io_context& loop,
                                                     const std::string& address, std::uint16_t port,
                                                     Source source);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // "ADDRESS:PORT" as bound.
  std::string endpoint() const;

 private:
  struct State;
  explicit MetricsServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace seaward::metrics
