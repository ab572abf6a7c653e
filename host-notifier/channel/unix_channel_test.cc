#include "host-notifier/channel/unix_channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "base/unix_socket.h"

namespace seaward {
namespace {

using std::chrono_literals::operator""s;

class Recorder final : public ChannelListener {
 public:
  void ChannelOpened() override { opened = true; }
  void ChannelBytes(std::span<const std::byte> bytes) override {
    received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void ChannelClosed(const Error& why) override { closed = why.Text(); }
  bool opened = false;
  std::string received;
  std::string closed;
};

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

class UnixChannelTest : public ::testing::Test {
 protected:
  UnixChannelTest() {
    char name[] = "/tmp/swchXXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/s";
    auto listener = ListenUnix(path_);
    EXPECT_TRUE(listener) << listener.error().Text();
    listener_ = std::move(listener.value());
  }
  ~UnixChannelTest() override { std::filesystem::remove_all(folder_); }

  void Connect() {
    auto channel = ConnectUnixChannel(loop_, path_, recorder_);
    ASSERT_TRUE(channel) << channel.error().Text();
    channel_ = std::move(*channel);
    vmm_.Reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    RunUntil([this] { return recorder_.opened; });
  }
  template <class Condition>
  void RunUntil(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    bool holds = condition();
    while (!holds && std::chrono::steady_clock::now() < deadline) {
      loop_.restart();
      loop_.run_one_for(1s);
      holds = condition();
    }
    ASSERT_TRUE(holds);
  }

  boost::asio::io_context loop_;
  Recorder recorder_;
  std::string folder_;
  std::string path_;
  UniqueFd listener_;
  UniqueFd vmm_;
  std::unique_ptr<ByteChannel> channel_;
};

TEST_F(UnixChannelTest, CarriesBytesBothWays) {
  Connect();
  EXPECT_TRUE(channel_->Send(Bytes("down")));
  char got[4];
  RunUntil([&] { return ::recv(vmm_.get(), got, 4, MSG_DONTWAIT) == 4; });
  EXPECT_EQ("down", std::string(got, 4));
  ASSERT_EQ(2, ::send(vmm_.get(), "up", 2, 0));
  RunUntil([this] { return recorder_.received == "up"; });
}

TEST_F(UnixChannelTest, RefusesMoreThanItMayHoldForAGuestThatDoesNotRead) {
  Connect();
  const std::string block(4096, 'x');
  std::size_t taken = 0;
  while (channel_->Send(Bytes(block))) {
    taken += block.size();
    loop_.restart();
    loop_.poll();
    ASSERT_LT(taken, 4u << 20) << "takes without end";
  }
  EXPECT_GE(taken, kMaxQueued - block.size());
}

TEST_F(UnixChannelTest, TakesInNothingWhileReadingIsOff) {
  Connect();
  ASSERT_EQ(1, ::send(vmm_.get(), "1", 1, 0));
  RunUntil([this] { return recorder_.received == "1"; });
  channel_->SetReading(false);
  ASSERT_EQ(1, ::send(vmm_.get(), "2", 1, 0));
  loop_.restart();
  EXPECT_GT(loop_.poll(), 0u) << "the wait that was under way";
  EXPECT_EQ("1", recorder_.received);
  channel_->SetReading(true);
  RunUntil([this] { return recorder_.received == "12"; });
}

TEST_F(UnixChannelTest, ReportsTheEndOnceAndTakesNothingAfterIt) {
  Connect();
  vmm_.Reset();
  RunUntil([this] { return !recorder_.closed.empty(); });
  EXPECT_EQ("channel closed by the VMM", recorder_.closed);
  EXPECT_FALSE(channel_->Send(Bytes("late")));
}

TEST_F(UnixChannelTest, SaysNothingAfterItIsDestroyed) {
  Connect();
  ASSERT_EQ(2, ::send(vmm_.get(), "up", 2, 0));
  channel_.reset();
  loop_.restart();
  loop_.poll();
  EXPECT_EQ("", recorder_.received);
  EXPECT_EQ("", recorder_.closed);
}

TEST_F(UnixChannelTest, NamesThePathThatNobodyListensOn) {
  auto channel = ConnectUnixChannel(loop_, folder_ + "/none", recorder_);
  ASSERT_FALSE(channel);
  EXPECT_EQ(ErrorCode::kNotFound, channel.error().code);
  EXPECT_NE(std::string::npos, channel.error().context.find(folder_ + "/none"));
}

}  // namespace
}  // namespace seaward
