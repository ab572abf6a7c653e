#include "host-notifier/channel/channel_link.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host-notifier/loop/loop_fixture.h"

namespace seaward {
namespace {

class FakeChannel final : public ByteChannel {
 public:
  bool Send(std::span<const std::byte>) override { return true; }
  void SetReading(bool) override {}
};

class FakeOpener final : public ChannelOpener {
 public:
  Result<std::unique_ptr<ByteChannel>> OpenSocket(const std::string& path,
                                                  ChannelListener& to) override {
    tried.push_back(path);
    return Give(socket_works, to);
  }
  Result<std::unique_ptr<ByteChannel>> OpenStream(ChannelListener& to) override {
    tried.emplace_back("stream");
    return Give(stream_works, to);
  }
  bool socket_works = false;
  bool stream_works = false;
  ChannelListener* listener = nullptr;  // of the last channel
  std::vector<std::string> tried;

 private:
  Result<std::unique_ptr<ByteChannel>> Give(bool works, ChannelListener& to) {
    if (!works) return Fail(ErrorCode::kNotFound, tried.back() + " refused");
    listener = &to;
    return std::unique_ptr<ByteChannel>(std::make_unique<FakeChannel>());
  }
};

class Recorder final : public ChannelListener {
 public:
  void ChannelOpened() override { calls.emplace_back("opened"); }
  void ChannelBytes(std::span<const std::byte>) override { calls.emplace_back("bytes"); }
  void ChannelClosed(const Error&) override { calls.emplace_back("closed"); }
  std::vector<std::string> calls;
};

class ChannelLinkTest : public LoopTest {
 protected:
  using Names = std::vector<std::string>;
  FakeOpener opener_;
  Recorder user_;
  ChannelLink link_{
      loop_, opener_, user_, {std::chrono::milliseconds(1), std::chrono::milliseconds(4)}};
};

TEST_F(ChannelLinkTest, PrefersTheSocket) {
  opener_.socket_works = opener_.stream_works = true;
  link_.Connect("/s");
  opener_.listener->ChannelOpened();
  EXPECT_EQ(Names{"/s"}, opener_.tried);
  EXPECT_TRUE(link_.open());
}

TEST_F(ChannelLinkTest, TakesTheStreamWhereTheSocketCannotBeReached) {
  opener_.stream_works = true;
  link_.Connect("/s");
  EXPECT_EQ((Names{"/s", "stream"}), opener_.tried);
}

TEST_F(ChannelLinkTest, TriesAgainAndTellsTheUserOfRealConnectionsOnly) {
  link_.Connect("/s");
  EXPECT_NE(std::string::npos, link_.last_error().find("/s refused"));
  opener_.socket_works = true;
  RunUntil([this] { return opener_.listener != nullptr; });
  EXPECT_EQ(Names{}, user_.calls);
  opener_.listener->ChannelClosed(Error{});  // failed while opening
  EXPECT_EQ(Names{}, user_.calls);
  opener_.listener = nullptr;
  RunUntil([this] { return opener_.listener != nullptr; });
  opener_.listener->ChannelOpened();
  opener_.listener->ChannelClosed(Error{});
  EXPECT_EQ((Names{"opened", "closed"}), user_.calls);
}

TEST_F(ChannelLinkTest, CloseEndsTheAttempts) {
  link_.Connect("/s");
  link_.Close();
  const auto tried = opener_.tried.size();
  loop_.run();
  EXPECT_EQ(tried, opener_.tried.size());
}

TEST_F(ChannelLinkTest, SendsOnlyWhileOpen) {
  opener_.socket_works = true;
  link_.Connect("/s");
  EXPECT_FALSE(link_.Send({}));
  opener_.listener->ChannelOpened();
  EXPECT_TRUE(link_.Send({}));
}

}  // namespace
}  // namespace seaward
