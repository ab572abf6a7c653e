// The guest's channel through libvirt itself: the way in where its socket cannot be reached.
#include <signal.h>

#include <algorithm>
#include <vector>

#include "host-notifier/libvirt/libvirt_source.h"
#include "protocol/codec.h"
#include "protocol/frame_reader.h"
#include "tests/guest/guarded_guest.h"

namespace seaward::testing {
namespace {

// The host's end of the channel without our notifier: says "say hello", keeps what comes.
class StreamEnd final : public DomainListener, public ChannelListener {
 public:
  StreamEnd(const std::string& uri, const Uuid& vm) : vm_(vm) {
    auto source =
        LibvirtSource::Start(loop_, {.uri = uri, .channel_name = "org.seaward.agent.0"}, *this);
    if (source) source_ = std::move(*source);
  }
  // False when the limit passes first.
  bool RunUntil(const std::function<bool()>& holds, std::chrono::seconds limit) {
    const auto work = boost::asio::make_work_guard(loop_);
    loop_.restart();
    const SystemClock clock;
    const MonoTime deadline = clock.Now() + limit;
    while (!holds() && clock.Now() < deadline) loop_.run_one_for(std::chrono::milliseconds(100));
    return holds();
  }
  void Open() { channel_ = source_->OpenChannel(vm_, *this); }
  bool Say(const protocol::Message& message, protocol::Nonce nonce) {
    const auto frame = protocol::EncodeFrame(message, nonce, ++sequence_);
    return frame && channel_->Send(*frame);
  }

  bool seen = false;
  std::string reachable;  // "yes", or why not
  bool opened = false;
  std::string closed;
  std::vector<protocol::FrameHeader> heard;

 private:
  void DomainSeen(const DomainDescription& domain) override { seen |= domain.uuid == vm_; }
  void DomainShuttingDown(const Uuid&) override {}
  void DomainGone(const Uuid&, DomainEnd) override {}
  void DomainRebooted(const Uuid&) override {}
  void DomainResumed(const Uuid&) override {}
  void DomainMetMemoryFailure(const Uuid&, const DomainMemoryFailure&) override {}
  void LibvirtReachable(bool is, const std::string& why) override { reachable = is ? "yes" : why; }
  void ChannelOpened() override { opened = true; }
  void ChannelBytes(std::span<const std::byte> bytes) override {
    reader_.Feed(bytes, [this](const protocol::Frame& frame) { heard.push_back(frame.header); });
  }
  void ChannelClosed(const Error& why) override { closed = why.Text(); }

  const Uuid vm_;
  boost::asio::io_context loop_;
  std::unique_ptr<LibvirtSource> source_;
  std::unique_ptr<ByteChannel> channel_;
  protocol::FrameReader reader_;
  std::uint32_t sequence_ = 0;
};

class GuestBehindAStream : public GuardedGuest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(UseMachines(bench->GuardedThroughLibvirt()));
    host_->StopNotifier();  // one host end at a time
  }
  void TearDown() override {
    const Status started = host_->StartNotifier();
    EXPECT_TRUE(started) << started.error().Text();
    GuardedGuest::TearDown();
  }
};

TEST_F(GuestBehindAStream, TalksBothWaysAndTheEndIsToldWhenLibvirtdDies) {
  StreamEnd end(bench->libvirtd().uri(), guest().plan().uuid);
  ASSERT_TRUE(end.RunUntil([&] { return end.seen; }, kPatience)) << end.reachable;
  end.Open();
  ASSERT_TRUE(end.RunUntil([&] { return end.opened; }, kPatience)) << end.closed;
  ASSERT_TRUE(end.Say(protocol::HelloRequest{}, protocol::Nonce::kNone));
  const auto said_hello = [&] {
    return std::any_of(end.heard.begin(), end.heard.end(), [](const auto& header) {
      return header.type == protocol::MessageType::kHello;
    });
  };
  ASSERT_TRUE(end.RunUntil(said_hello, kPatience)) << end.closed;

  const auto restarted = bench->libvirtd().Restart(SIGKILL);
  ASSERT_TRUE(restarted.has_value()) << restarted.error().Text();
  EXPECT_TRUE(end.RunUntil([&] { return !end.closed.empty(); }, kPatience));
}

}  // namespace
}  // namespace seaward::testing
