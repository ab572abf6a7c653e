#include "host-notifier/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <vector>

#include "base/unique_fd.h"
#include "host-notifier/loop/loop_fixture.h"

namespace seaward::metrics {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class MetricsServerTest : public LoopTest {
 protected:
  MetricsServerTest() {
    server_ = MetricsServer::Open(loop_, "127.0.0.1", 0, [this](auto done) {
                ++asked_;
                if (holds_) return held_.push_back(std::move(done));
                done(answer_);
              }).value();
  }
  UniqueFd Connect() {
    const std::string endpoint = server_->endpoint();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    address.sin_port =
        ::htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    return socket;
  }
  // All that the server says until it closes.
  std::string Hear(const UniqueFd& socket) {
    std::string heard;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      loop_.restart();
      loop_.run_one_for(std::chrono::milliseconds(1));
      char chunk[65536];
      const ssize_t n = ::recv(socket.get(), chunk, sizeof(chunk), MSG_DONTWAIT);
      if (n > 0) heard.append(chunk, static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EAGAIN)) return heard;
    }
    ADD_FAILURE() << "the server does not close";
    return heard;
  }
  std::string Ask(const std::string& request) {
    const UniqueFd socket = Connect();
    EXPECT_EQ(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    return Hear(socket);
  }

  int asked_ = 0;
  bool holds_ = false;
  Result<std::string> answer_ = std::string("seaward_x 1\n");
  std::vector<std::function<void(Result<std::string>)>> held_;
  std::unique_ptr<MetricsServer> server_;
};

TEST_F(MetricsServerTest, AnswersAScrape) {
  const std::string answer = Ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nseaward_x 1\n"));
}

TEST_F(MetricsServerTest, AnswersAThousandVmsWorth) {
  answer_ = std::string(8 << 20, 'x');
  EXPECT_GT(Ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").size(), std::size_t{8} << 20);
}

TEST_F(MetricsServerTest, RefusesEverythingElse) {
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Ask("DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 405"));
  EXPECT_EQ(Ask("nonsense\r\n\r\n"), "");
  EXPECT_EQ(Ask("GET /metrics HTTP/1.1\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"), "");
  EXPECT_EQ(asked_, 0);
  answer_ = Fail(ErrorCode::kIo, "the ledger");
  EXPECT_THAT(Ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 500"));
}

TEST_F(MetricsServerTest, ServesNoMoreThanItMayAndTheNextOneLater) {
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(Connect());
  const UniqueFd one_too_many = Connect();
  EXPECT_EQ(Hear(one_too_many), "");
  silent.clear();
  loop_.restart();
  loop_.poll();
  EXPECT_THAT(Ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(MetricsServerTest, AnAnswerThatComesAfterTheEndHurtsNobody) {
  holds_ = true;
  const UniqueFd socket = Connect();
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
  ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
  RunUntil([this] { return held_.size() == 1; });
  server_.reset();
  held_[0](answer_);
  EXPECT_THAT(Hear(socket), HasSubstr("200 OK"));
}

TEST_F(MetricsServerTest, SaysThatAnAddressIsTakenOrNone) {
  const std::string endpoint = server_->endpoint();
  const auto port = static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
  EXPECT_FALSE(MetricsServer::Open(loop_, "127.0.0.1", port, {}));
  EXPECT_EQ(MetricsServer::Open(loop_, "localhost", 0, {}).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace seaward::metrics
