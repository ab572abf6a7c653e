#include "tests/support/testd/line_channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <optional>

#include "base/file_io.h"
#include "base/unique_fd.h"
#include "base/unix_socket.h"

namespace seaward::testd {
namespace {

constexpr std::size_t kMaxLine = 1U << 20;
constexpr int kProbeTries = 1000;  // x 10 ms: virtio devices probe while /init runs
constexpr int kProbePauseMs = 10;

// Collects bytes until a newline.
class LineBuffer {
 public:
  void Append(const char* bytes, std::size_t count) {
    text_.append(bytes, count);
    if (text_.size() > kMaxLine && text_.find('\n') == std::string::npos) text_.clear();
  }
  std::optional<std::string> Take() {
    const auto end = text_.find('\n');
    if (end == std::string::npos) return std::nullopt;
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
  }
  void Clear() { text_.clear(); }

 private:
  std::string text_;
};

// A question can be read before the guest's kernel has noted that the host is connected: data comes
// by interrupt, the note by a worker. Until then a write would block. An asker who is really gone
// costs this long.
constexpr int kUntilNotedMs = 3000;

// Calls `wait_writable` whenever the descriptor takes no more; false from it ends the attempt: the
// peer is gone, and the rest is dropped.
Status WriteWaiting(int fd, const std::string& text, const std::function<bool()>& wait_writable) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) return {};
    if (n < 0 && errno != EAGAIN) return FailErrno(errno, "command channel");
    if (!wait_writable()) return {};
  }
  return {};
}

class VirtioPort final : public LineChannel {
 public:
  VirtioPort(UniqueFd port, UniqueFd epoll) : port_(std::move(port)), epoll_(std::move(epoll)) {}

  Result<std::string> ReadLine() override {
    while (true) {
      if (auto line = buffer_.Take()) return *line;
      char bytes[4096];
      const ssize_t n = ::read(port_.get(), bytes, sizeof(bytes));
      if (n > 0) {
        buffer_.Append(bytes, static_cast<std::size_t>(n));
        continue;
      }
      if (n < 0 && errno != EAGAIN && errno != EINTR) return FailErrno(errno, "command port");
      // Edge-triggered: with no host connected the port is always "ready" and reads nothing.
      epoll_event event{};
      ::epoll_wait(epoll_.get(), &event, 1, -1);
    }
  }

  Status WriteLine(const std::string& line) override {
    return WriteWaiting(port_.get(), line + "\n", [this] { return WaitWritable(); });
  }

 private:
  // Polling would return at once while no host is noted; the edge-triggered descriptor tells of
  // every change.
  bool WaitWritable() {
    const auto writable = [this] {
      pollfd now{port_.get(), POLLOUT, 0};
      ::poll(&now, 1, 0);
      return (now.revents & POLLOUT) != 0 && (now.revents & POLLHUP) == 0;
    };
    epoll_event event{};
    while (!writable())
      if (::epoll_wait(epoll_.get(), &event, 1, kUntilNotedMs) == 0) return writable();
    return true;
  }

  UniqueFd port_;
  UniqueFd epoll_;
  LineBuffer buffer_;
};

class UnixSocket final : public LineChannel {
 public:
  explicit UnixSocket(UniqueFd listener) : listener_(std::move(listener)) {}

  Result<std::string> ReadLine() override {
    while (true) {
      if (auto line = buffer_.Take()) return *line;
      if (!client_.valid()) {
        client_.Reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client_.valid() && errno != EINTR) return FailErrno(errno, "accept");
        buffer_.Clear();
        continue;
      }
      char bytes[4096];
      const ssize_t n = ::read(client_.get(), bytes, sizeof(bytes));
      if (n > 0) {
        buffer_.Append(bytes, static_cast<std::size_t>(n));
      } else if (n == 0 || errno != EINTR) {
        client_.Reset();
      }
    }
  }

  Status WriteLine(const std::string& line) override {
    if (!client_.valid()) return {};
    return WriteWaiting(client_.get(), line + "\n", [this] {
      pollfd wait{client_.get(), POLLOUT, 0};
      ::poll(&wait, 1, -1);
      return (wait.revents & POLLHUP) == 0;
    });
  }

 private:
  UniqueFd listener_;
  UniqueFd client_;
  LineBuffer buffer_;
};

}  // namespace

Result<std::string> FindVirtioPort(const std::string& port_name) {
  std::error_code missing;
  for (const auto& entry :
       std::filesystem::directory_iterator("/sys/class/virtio-ports", missing)) {
    auto name = ReadTextFile(entry.path() / "name", 256);
    if (!name) continue;
    while (!name->empty() && name->back() == '\n') name->pop_back();
    if (*name == port_name) return "/dev/" + entry.path().filename().string();
  }
  return Fail(ErrorCode::kNotFound, "no virtio port named " + port_name);
}

Result<std::unique_ptr<LineChannel>> OpenVirtioPort(const std::string& port_name) {
  Result<std::string> node = FindVirtioPort(port_name);
  for (int tries = 0; !node && tries < kProbeTries; ++tries) {
    ::poll(nullptr, 0, kProbePauseMs);
    node = FindVirtioPort(port_name);
  }
  if (!node) return Forward(node);
  auto port = OpenFile(*node, O_RDWR | O_NONBLOCK);
  if (!port) return Forward(port);
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, port->get(), &event) != 0) {
    return FailErrno(errno, *node);
  }
  return std::make_unique<VirtioPort>(std::move(*port), std::move(epoll));
}

Result<std::unique_ptr<LineChannel>> ListenOnUnixSocket(const std::string& path) {
  auto address = UnixAddress(path);
  if (!address) return Forward(address);
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::unlink(path.c_str());
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
      ::listen(listener.get(), 1) != 0) {
    return FailErrno(errno, path);
  }
  return std::make_unique<UnixSocket>(std::move(listener));
}

}  // namespace seaward::testd
