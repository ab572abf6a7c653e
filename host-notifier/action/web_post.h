// One attempt to tell a web service: POST over HTTP/1.1, with or without TLS, within a deadline.
//
// Thread: the loop's; names are resolved on a thread of Asio's, which may take as long as it likes.
#pragma once

#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "host-notifier/policy/web_url.h"

namespace seaward::action {

struct WebRequest {
  policy::WebUrl url;
  std::string content_type;
  std::string body;
  std::string token;    // empty: none; sent as a bearer token
  std::string ca_file;  // empty: the system's
  std::chrono::milliseconds deadline{0};
};

struct WebEnd {
  bool succeeded = false;                          // an answer 2xx
  bool try_again = false;                          // the failure may pass
  std::optional<std::chrono::seconds> not_before;  // what the service asks for (Retry-After)
  std::string text;                                // for people: "HTTP 503"
};

class WebPost {
 public:
  // `ended` is called once, later, on the loop's thread, and not after the object is gone.
  static std::unique_ptr<WebPost> Start(boost::asio::io_context& loop, WebRequest request,
                                        std::function<void(const WebEnd&)> ended);
  ~WebPost();
  WebPost(const WebPost&) = delete;
  WebPost& operator=(const WebPost&) = delete;

  class Exchange;

 private:
  explicit WebPost(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  const std::shared_ptr<Exchange> exchange_;
};

}  // namespace seaward::action
