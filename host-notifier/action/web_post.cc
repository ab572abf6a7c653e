#include "host-notifier/action/web_post.h"

#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <charconv>

#include "host-notifier/loop/loop_timer.h"

namespace seaward::action {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;

// Only the status and Retry-After are of interest.
constexpr std::uint32_t kMaxAnswerHeader = 16384;

bool MayPass(unsigned status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

WebEnd EndOf(const http::response<http::empty_body>& answer) {
  WebEnd end;
  const unsigned status = answer.result_int();
  end.text = fmt::format("HTTP {}", status);
  end.succeeded = status >= 200 && status < 300;
  end.try_again = MayPass(status);
  const auto wait = answer[http::field::retry_after];
  std::uint32_t seconds = 0;
  const auto [stop, error] = std::from_chars(wait.data(), wait.data() + wait.size(), seconds);
  if (error == std::errc() && stop == wait.data() + wait.size() && !wait.empty())
    end.not_before = std::chrono::seconds(seconds);
  return end;
}

}  // namespace

// What WebPost owns, and what handlers under way keep alive.
class WebPost::Exchange : public std::enable_shared_from_this<WebPost::Exchange> {
 public:
  Exchange(asio::io_context& loop, WebRequest request, std::function<void(const WebEnd&)> ended)
      : request_(std::move(request)), ended_(std::move(ended)), timer_(loop), resolver_(loop) {}
  virtual ~Exchange() = default;

  void Start() {
    timer_.Start(request_.deadline, [this] {
      Finish({false, true, {}, fmt::format("no answer within {} ms", request_.deadline.count())});
    });
    resolver_.async_resolve(request_.url.host, std::to_string(request_.url.port),
                            [self = shared_from_this()](const error_code& error,
                                                        const tcp::resolver::results_type& found) {
                              if (!self->Failed(error, "resolve")) self->Connect(found);
                            });
  }
  void Cancel() {
    ended_ = nullptr;
    Close();
  }

 protected:
  virtual void Connect(const tcp::resolver::results_type& found) = 0;
  virtual void CloseStream() = 0;

  bool Failed(const error_code& error, std::string_view step) {
    if (!error && ended_) return false;
    Finish({false, true, {}, fmt::format("{}: {}", step, error.message())});
    return true;
  }
  // A certificate that is not trusted now may be tomorrow, but not for lack of trying.
  void Finish(const WebEnd& end) {
    if (!ended_) return;
    const auto ended = std::exchange(ended_, nullptr);
    Close();
    ended(end);
  }
  void Prepare() {
    message_.method(http::verb::post);
    message_.version(11);
    message_.target(request_.url.target);
    message_.set(http::field::host, request_.url.Authority());
    message_.set(http::field::user_agent, "seaward-notifier/" SEAWARD_VERSION);
    message_.set(http::field::content_type, request_.content_type);
    if (!request_.token.empty())
      message_.set(http::field::authorization, "Bearer " + request_.token);
    message_.keep_alive(false);
    message_.body() = request_.body;
    message_.prepare_payload();
    answer_.header_limit(kMaxAnswerHeader);
  }
  template <class Stream>
  void Send(Stream& stream) {
    Prepare();
    http::async_write(stream, message_,
                      [self = shared_from_this(), &stream](const error_code& error, std::size_t) {
                        if (!self->Failed(error, "send")) self->Receive(stream);
                      });
  }
  template <class Stream>
  void Receive(Stream& stream) {
    http::async_read_header(stream, buffer_, answer_,
                            [self = shared_from_this()](const error_code& error, std::size_t) {
                              if (self->Failed(error, "answer")) return;
                              self->Finish(EndOf(self->answer_.get()));
                            });
  }
  const WebRequest& request() const { return request_; }

 private:
  void Close() {
    timer_.Cancel();
    resolver_.cancel();
    CloseStream();
  }

  const WebRequest request_;
  std::function<void(const WebEnd&)> ended_;  // null: nobody waits any more
  LoopTimer timer_;
  tcp::resolver resolver_;
  http::request<http::string_body> message_;
  beast::flat_buffer buffer_;
  http::response_parser<http::empty_body> answer_;
};

namespace {

class PlainExchange final : public WebPost::Exchange {
 public:
  PlainExchange(asio::io_context& loop, WebRequest request,
                std::function<void(const WebEnd&)> ended)
      : Exchange(loop, std::move(request), std::move(ended)), stream_(loop) {}

 private:
  void Connect(const tcp::resolver::results_type& found) override {
    stream_.async_connect(
        found, [this, self = shared_from_this()](const error_code& error, const tcp::endpoint&) {
          if (!Failed(error, "connect")) Send(stream_);
        });
  }
  void CloseStream() override { stream_.close(); }

  beast::tcp_stream stream_;
};

class TlsExchange final : public WebPost::Exchange {
 public:
  TlsExchange(asio::io_context& loop, WebRequest with, std::function<void(const WebEnd&)> ended)
      : Exchange(loop, std::move(with), std::move(ended)),
        trust_(ssl::context::tls_client),
        trusted_(Trust()),
        stream_(loop, trust_) {}

 private:
  // Before the stream is made, which copies what the context says.
  error_code Trust() {
    error_code error;
    trust_.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                       ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
    trust_.set_verify_mode(ssl::verify_peer);
    trust_.set_verify_callback(ssl::host_name_verification(request().url.host));
    if (request().ca_file.empty()) {
      trust_.set_default_verify_paths(error);
    } else {
      trust_.load_verify_file(request().ca_file, error);
    }
    return error;
  }
  void Connect(const tcp::resolver::results_type& found) override {
    if (Failed(trusted_, "certificates")) return;
    error_code numeric;
    asio::ip::make_address(request().url.host, numeric);
    // Server names are names: RFC 6066 knows no addresses.
    if (numeric) SSL_set_tlsext_host_name(stream_.native_handle(), request().url.host.c_str());
    beast::get_lowest_layer(stream_).async_connect(
        found, [this, self = shared_from_this()](const error_code& error, const tcp::endpoint&) {
          if (!Failed(error, "connect")) Handshake();
        });
  }
  void Handshake() {
    stream_.async_handshake(ssl::stream_base::client,
                            [this, self = shared_from_this()](const error_code& error) {
                              if (!Failed(error, "TLS")) Send(stream_);
                            });
  }
  void CloseStream() override { beast::get_lowest_layer(stream_).close(); }

  ssl::context trust_;
  const error_code trusted_;
  beast::ssl_stream<beast::tcp_stream> stream_;
};

}  // namespace

std::unique_ptr<WebPost> WebPost::Start(asio::io_context& loop, WebRequest request,
                                        std::function<void(const WebEnd&)> ended) {
  std::shared_ptr<Exchange> exchange;
  if (request.url.tls) {
    exchange = std::make_shared<TlsExchange>(loop, std::move(request), std::move(ended));
  } else {
    exchange = std::make_shared<PlainExchange>(loop, std::move(request), std::move(ended));
  }
  exchange->Start();
  return std::unique_ptr<WebPost>(new WebPost(std::move(exchange)));
}

WebPost::~WebPost() {
  exchange_->Cancel();
}

}  // namespace seaward::action
