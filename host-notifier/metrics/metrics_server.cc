#include "host-notifier/metrics/metrics_server.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <sstream>

namespace seaward::metrics {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// A scraper is one program on this host or near it, every few seconds.
constexpr std::size_t kMaxClients = 8;
constexpr std::size_t kMaxRequestBytes = 8192;
// Longer than Prometheus itself waits (10 s).
constexpr std::chrono::seconds kPatience{15};
// Descriptors come back when somebody else closes one; asking more often changes nothing.
constexpr std::chrono::seconds kAcceptPause{1};

class Scrape : public std::enable_shared_from_this<Scrape> {
 public:
  // `slot` counts it among the clients as long as it lives.
  Scrape(tcp::socket socket, MetricsServer::Source source, std::shared_ptr<void> slot)
      : stream_(std::move(socket)), source_(std::move(source)), slot_(std::move(slot)) {
    parser_.header_limit(kMaxRequestBytes);
  }
  void Start() {
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, parser_,
                     [self = shared_from_this()](const error_code& error, std::size_t) {
                       if (!error) self->Answer();
                     });
  }

 private:
  void Answer() {
    const auto& request = parser_.get();
    if (request.target() != "/metrics")
      return Send(http::status::not_found, "only /metrics is here\n");
    if (request.method() != http::verb::get)
      return Send(http::status::method_not_allowed, "only GET\n");
    source_([self = shared_from_this()](const Result<std::string>& text) {
      if (text) return self->Send(http::status::ok, *text);
      self->Send(http::status::internal_server_error, text.error().Text() + "\n");
    });
  }
  void Send(http::status status, std::string body) {
    response_.result(status);
    response_.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    response_.keep_alive(false);
    response_.body() = std::move(body);
    response_.prepare_payload();
    http::async_write(stream_, response_,
                      [self = shared_from_this()](const error_code&, std::size_t) {
                        error_code ignored;
                        self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                      });
  }

  beast::tcp_stream stream_;
  const MetricsServer::Source source_;
  const std::shared_ptr<void> slot_;
  beast::flat_buffer buffer_{kMaxRequestBytes};
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
};

}  // namespace

struct MetricsServer::State : std::enable_shared_from_this<MetricsServer::State> {
  State(asio::io_context& loop, Source from)
      : acceptor(loop), pause(loop), source(std::move(from)) {}

  void AcceptNext() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, tcp::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (error) return self->AcceptLater();
      self->Accepted(std::move(socket));
      self->AcceptNext();
    });
  }
  void AcceptLater() {
    pause.expires_after(kAcceptPause);
    pause.async_wait([self = shared_from_this()](const error_code&) {
      if (self->acceptor.is_open()) self->AcceptNext();
    });
  }
  void Accepted(tcp::socket socket) {
    if (static_cast<std::size_t>(slots.use_count()) > kMaxClients) return;  // closes it
    const auto ask = [self = shared_from_this()](std::function<void(Result<std::string>)> done) {
      if (!self->acceptor.is_open()) return done(Fail(ErrorCode::kClosed, "the notifier stops"));
      self->source(std::move(done));
    };
    std::make_shared<Scrape>(std::move(socket), ask, slots)->Start();
  }

  tcp::acceptor acceptor;
  asio::steady_timer pause;
  const Source source;
  const std::shared_ptr<void> slots = std::make_shared<int>(0);
};

Result<std::unique_ptr<MetricsServer>> MetricsServer::Open(asio::io_context& loop,
                                                           const std::string& address,
                                                           std::uint16_t port, Source source) {
  error_code error;
  const auto ip = asio::ip::make_address(address, error);
  if (error) return Fail(ErrorCode::kInvalid, "metrics: '" + address + "' is no address");
  const tcp::endpoint endpoint(ip, port);
  auto state = std::make_shared<State>(loop, std::move(source));
  tcp::acceptor& acceptor = state->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(static_cast<int>(kMaxClients), error);
  if (error) return FailErrno(error.value(), "metrics on " + address);
  state->AcceptNext();
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(state)));
}

MetricsServer::~MetricsServer() {
  error_code ignored;
  state_->acceptor.close(ignored);
  state_->pause.cancel();
}

std::string MetricsServer::endpoint() const {
  error_code error;
  std::ostringstream text;
  text << state_->acceptor.local_endpoint(error);
  return text.str();
}

}  // namespace seaward::metrics
