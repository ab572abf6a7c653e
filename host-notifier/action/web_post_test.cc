#include "host-notifier/action/web_post.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>

#include "host-notifier/action/web_server_fixture.h"
#include "host-notifier/loop/loop_fixture.h"

namespace seaward::action {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::StartsWith;

class WebPostTest : public LoopTest {
 protected:
  WebPostTest() {
    char name[] = "/tmp/swwebXXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~WebPostTest() override {
    post_.reset();
    server_.reset();
    loop_.restart();
    loop_.poll();  // handlers that were cancelled
    std::filesystem::remove_all(folder_);
  }

  void Serve(const std::string& pem = "") { server_ = std::make_unique<WebServer>(loop_, pem); }
  WebRequest RequestTo(const std::string& url) const {
    return {*policy::ParseWebUrl(url), "application/json", "{\"a\":1}", "", "", 10s};
  }
  std::string Url(const std::string& scheme, const std::string& path) const {
    return scheme + "://localhost:" + std::to_string(server_->port()) + path;
  }
  WebEnd EndOf(WebRequest request) {
    end_.reset();
    post_ = WebPost::Start(loop_, std::move(request), [this](const WebEnd& end) {
      end_ = end;
      post_.reset();  // as an owner may
    });
    RunUntil([this] { return end_.has_value(); });
    return end_.value_or(WebEnd{});
  }

  std::string folder_;
  std::unique_ptr<WebServer> server_;
  std::unique_ptr<WebPost> post_;
  std::optional<WebEnd> end_;
};

TEST_F(WebPostTest, PostsTheWholeBodyWithItsTypeAndToken) {
  Serve();
  WebRequest request = RequestTo(Url("http", "/in?x=1"));
  request.body = std::string(300000, 'x');
  request.token = "secret";
  const WebEnd end = EndOf(request);
  EXPECT_TRUE(end.succeeded) << end.text;
  EXPECT_EQ(end.text, "HTTP 200");
  ASSERT_EQ(server_->requests().size(), 1u);
  const auto& heard = server_->requests()[0];
  EXPECT_EQ(heard.target(), "/in?x=1");
  EXPECT_EQ(heard["Host"], "localhost:" + std::to_string(server_->port()));
  EXPECT_EQ(heard["Content-Type"], "application/json");
  EXPECT_EQ(heard["Authorization"], "Bearer secret");
  EXPECT_EQ(heard.body().size(), 300000u);
}

TEST_F(WebPostTest, TellsFailuresThatMayPassFromThoseThatWillNot) {
  Serve();
  for (const auto& [status, again] : {std::pair(503U, true), std::pair(429U, true),
                                      std::pair(404U, false), std::pair(301U, false)}) {
    server_->answer = {status, "7"};
    const WebEnd end = EndOf(RequestTo(Url("http", "/")));
    EXPECT_FALSE(end.succeeded);
    EXPECT_EQ(end.try_again, again) << status;
    EXPECT_EQ(end.not_before, 7s);
  }
  server_->answer = {200, {}, false, true};
  EXPECT_TRUE(EndOf(RequestTo(Url("http", "/"))).try_again) << "it hung up";
}

TEST_F(WebPostTest, ASilentServiceIsLeftAtTheDeadline) {
  Serve();
  server_->answer.silent = true;
  WebRequest request = RequestTo(Url("http", "/"));
  request.deadline = 100ms;
  const WebEnd end = EndOf(request);
  EXPECT_FALSE(end.succeeded);
  EXPECT_TRUE(end.try_again);
  EXPECT_EQ(end.text, "no answer within 100 ms");
}

TEST_F(WebPostTest, NobodyThereIsAFailureThatMayPass) {
  Serve();
  const std::string url = Url("http", "/");
  server_.reset();
  const WebEnd end = EndOf(RequestTo(url));
  EXPECT_FALSE(end.succeeded);
  EXPECT_TRUE(end.try_again);
  EXPECT_THAT(end.text, StartsWith("connect: "));
}

TEST_F(WebPostTest, SpeaksTlsToWhomItTrusts) {
  WriteCertificate(folder_ + "/server.pem", "localhost");
  Serve(folder_ + "/server.pem");
  WebRequest request = RequestTo(Url("https", "/secure"));
  request.ca_file = folder_ + "/server.pem";
  const WebEnd end = EndOf(request);
  EXPECT_TRUE(end.succeeded) << end.text;
  ASSERT_EQ(server_->requests().size(), 1u);
  EXPECT_EQ(server_->requests()[0].target(), "/secure");
}

TEST_F(WebPostTest, TellsNothingToWhomItDoesNotTrust) {
  WriteCertificate(folder_ + "/other.pem", "elsewhere.example");
  Serve(folder_ + "/other.pem");
  WebRequest request = RequestTo(Url("https", "/"));
  EXPECT_THAT(EndOf(request).text, StartsWith("TLS: ")) << "nobody vouches for it";
  request.ca_file = folder_ + "/other.pem";
  EXPECT_THAT(EndOf(request).text, StartsWith("TLS: ")) << "it has another name";
  request.ca_file = folder_ + "/nothing.pem";
  EXPECT_THAT(EndOf(request).text, StartsWith("certificates: "));
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(WebPostTest, LetGoItSaysNothing) {
  Serve();
  server_->answer.silent = true;
  post_ = WebPost::Start(loop_, RequestTo(Url("http", "/")), [](const WebEnd&) { FAIL(); });
  RunUntil([this] { return server_->requests().size() == 1; });
  post_.reset();
  loop_.restart();
  loop_.poll();
}

}  // namespace
}  // namespace seaward::action
