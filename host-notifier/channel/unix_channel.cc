#include "host-notifier/channel/unix_channel.h"

#include <sys/socket.h>

#include <array>
#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <vector>

#include "base/unix_socket.h"

namespace seaward {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

// What a guest may make us read in one turn of the loop; others get theirs in between.
constexpr std::size_t kReadChunk = 16 * 1024;

// Outlives the channel while Asio still holds one of its handlers.
struct Connection {
  Connection(asio::io_context& loop, ChannelListener* to) : socket(loop), listener(to) {}
  Socket socket;
  ChannelListener* listener;  // null once the channel is destroyed or has reported its end
  bool opened = false;
  bool reading = true;
  bool read_pending = false;
  std::vector<std::byte> waiting;  // queued, not yet given to the kernel
  std::vector<std::byte> writing;  // being written
};
using ConnectionPtr = std::shared_ptr<Connection>;

void Close(const ConnectionPtr& c, const boost::system::error_code& why) {
  boost::system::error_code ignored;
  c->socket.close(ignored);
  ChannelListener* listener = std::exchange(c->listener, nullptr);
  if (listener == nullptr) return;
  if (why == asio::error::eof) {
    listener->ChannelClosed(Error{ErrorCode::kClosed, 0, "channel closed by the VMM"});
  } else {
    listener->ChannelClosed(Error{ErrorCode::kIo, why.value(), "channel"});
  }
}

// A channel holds a buffer only while bytes are there: most guests are silent most of the time.
void Read(const ConnectionPtr& c);

void TakeBytes(const ConnectionPtr& c) {
  std::array<std::byte, kReadChunk> in;
  boost::system::error_code error;
  const std::size_t n = c->socket.read_some(asio::buffer(in), error);
  if (error == asio::error::would_block) return Read(c);
  if (error) return Close(c, error);
  c->listener->ChannelBytes(std::span(in).first(n));
  if (c->listener != nullptr) Read(c);
}

void Read(const ConnectionPtr& c) {
  if (!c->reading || std::exchange(c->read_pending, true)) return;
  c->socket.async_wait(Socket::wait_read, [c](const boost::system::error_code& error) {
    c->read_pending = false;
    if (c->listener == nullptr) return;
    if (error) return Close(c, error);
    if (c->reading) TakeBytes(c);
  });
}

void Write(const ConnectionPtr& c) {
  if (!c->writing.empty() || c->waiting.empty()) return;
  std::swap(c->writing, c->waiting);
  asio::async_write(c->socket, asio::buffer(c->writing),
                    [c](const boost::system::error_code& error, std::size_t) {
                      std::vector<std::byte>().swap(c->writing);  // with its memory
                      if (c->listener == nullptr) return;
                      if (error) return Close(c, error);
                      Write(c);
                    });
}

class UnixChannel final : public ByteChannel {
 public:
  explicit UnixChannel(ConnectionPtr connection) : connection_(std::move(connection)) {}
  ~UnixChannel() override {
    connection_->listener = nullptr;
    boost::system::error_code ignored;
    connection_->socket.close(ignored);
  }
  bool Send(std::span<const std::byte> bytes) override {
    Connection& c = *connection_;
    if (c.listener == nullptr) return false;
    if (c.waiting.size() + c.writing.size() + bytes.size() > kMaxQueued) return false;
    c.waiting.insert(c.waiting.end(), bytes.begin(), bytes.end());
    Write(connection_);
    return true;
  }
  void SetReading(bool reading) override {
    connection_->reading = reading;
    if (reading && connection_->listener != nullptr && connection_->opened) Read(connection_);
  }
  std::optional<pid_t> PeerPid() const override {
    ucred peer{};
    socklen_t length = sizeof(peer);
    const int fd = connection_->socket.native_handle();
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.pid <= 0)
      return std::nullopt;
    return peer.pid;
  }

 private:
  ConnectionPtr connection_;
};

}  // namespace

Result<std::unique_ptr<ByteChannel>> ConnectUnixChannel(asio::io_context& loop,
                                                        const std::string& path,
                                                        ChannelListener& listener) {
  auto fd = ConnectUnix(path, SOCK_STREAM | SOCK_NONBLOCK);
  if (!fd) return Forward(fd);
  auto connection = std::make_shared<Connection>(loop, &listener);
  boost::system::error_code error;
  connection->socket.assign(asio::local::stream_protocol(), fd->get(), error);
  if (!error) connection->socket.non_blocking(true, error);
  if (error) return FailErrno(error.value(), "channel " + path);
  static_cast<void>(fd->Release());
  asio::post(loop, [connection] {
    if (connection->listener == nullptr) return;
    connection->opened = true;
    connection->listener->ChannelOpened();
    if (connection->listener != nullptr) Read(connection);
  });
  return std::unique_ptr<ByteChannel>(std::make_unique<UnixChannel>(std::move(connection)));
}

}  // namespace seaward
