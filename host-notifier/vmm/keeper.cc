#include "host-notifier/vmm/keeper.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/unix_socket.h"
#include "host-notifier/vmm/place_message.h"

namespace seaward::vmm {
namespace {

using std::chrono::milliseconds;

// A notifier that said no is asked again: it may not have heard of the VM yet. Rarely, because each
// refusal is a line in somebody's journal.
constexpr milliseconds kRetryUnknownVm{1000};
constexpr milliseconds kRetryRefused{30000};
// A thousand results may be more than the socket holds at once; a notifier that lives reads them in
// less, and one that does not must not keep the keeper from ending.
constexpr int kResultPatienceMs = 100;

// Threads inherit the signal mask: blocked around the thread's creation, restored afterwards.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace

Result<std::unique_ptr<Keeper>> Keeper::Start(KeeperOptions options, LineSink log) {
  if (auto address = UnixAddress(options.socket_path); !address) return Forward(address);
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return FailErrno(errno, "eventfd");
  UniqueFd results(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!results.valid()) return FailErrno(errno, "eventfd");
  std::unique_ptr<Keeper> keeper(
      new Keeper(std::move(options), std::move(log), std::move(stop), std::move(results)));
  try {
    const AllSignalsBlocked blocked;
    keeper->thread_ = std::thread([k = keeper.get()] { k->Run(); });
  } catch (const std::system_error& e) {
    return FailErrno(e.code().value(), "starting the keeper thread");
  }
  return keeper;
}

Keeper::Keeper(KeeperOptions options, LineSink log, UniqueFd stop, UniqueFd results)
    : options_(std::move(options)),
      log_(std::move(log)),
      stop_(std::move(stop)),
      results_(std::move(results)) {}

Keeper::~Keeper() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(stop_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

KeeperState Keeper::state() const {
  return {.attached = attached_, .attach_count = attach_count_, .refusals = refusals_};
}

void Keeper::Wake() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(results_.get(), &one, sizeof one);
}

void Keeper::AbandonInChild() noexcept {
  const int fd = connection_.exchange(-1);
  if (fd >= 0) ::close(fd);
}

void Keeper::Run() {
  ::pthread_setname_np(::pthread_self(), "seaward-keeper");
  milliseconds retry = options_.first_retry;
  bool said_absent = false;
  do {
    auto connection = Connect();
    if (connection) connection_ = connection->get();
    if (connection && SendRequest(connection->get())) {
      said_absent = false;
      retry = std::max(Attend(connection->get()), options_.first_retry);
    } else {
      if (!said_absent) log_(LogLevel::kInfo, "no notifier yet, exits wait in the ring");
      said_absent = true;
      retry = std::min(retry * 2, options_.last_retry);
    }
    connection_ = -1;
  } while (!Stopped(retry));
}

Result<UniqueFd> Keeper::Connect() const {
  return ConnectUnix(options_.socket_path, SOCK_SEQPACKET | SOCK_NONBLOCK);
}

Status Keeper::SendRequest(int connection) const {
  auto bytes =
      EncodeAttachRequest({.ring_bytes = options_.ring_bytes, .claimed_vm = options_.claimed_vm});
  const std::array<int, kAttachDescriptors> fds{options_.memory_fd, options_.doorbell_fd};
  iovec iov{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof fds)> control{};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(c), fds.data(), sizeof fds);
  if (::sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return FailErrno(errno, "sendmsg");
  return {};
}

// Until the notifier goes or the keeper stops. Returns how long to wait before the next attempt.
milliseconds Keeper::Attend(int connection) {
  milliseconds retry = options_.first_retry;
  for (;;) {
    std::array<pollfd, 3> fds{pollfd{connection, POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0},
                              pollfd{results_.get(), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (fds[1].revents != 0) break;
    if (fds[2].revents != 0) SendResults(connection);
    if (fds[0].revents != 0 && Hear(connection, retry) == Attending::kEnds) break;
  }
  if (options_.orders != nullptr) options_.orders->ForgetOrders();
  if (attached_.exchange(false)) log_(LogLevel::kInfo, "detached from the notifier");
  return retry;
}

Keeper::Attending Keeper::Hear(int connection, milliseconds& retry) {
  static_assert(kHealOrderBytes > kAttachReplyBytes && kHealOrderBytes > kPlaceQuestionBytes,
                "the longest message that makes sense");
  std::array<std::byte, kHealOrderBytes + 1> bytes;
  const ssize_t n = ::recv(connection, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Attending::kGoesOn;
  if (n <= 0) return Attending::kEnds;
  const auto message = std::span(bytes).first(static_cast<std::size_t>(n));
  if (attached_ && options_.orders != nullptr) return Obey(connection, message);
  const auto reply = DecodeAttachReply(message);
  if (!reply) return Attending::kEnds;
  Note(*reply);
  if (*reply == AttachReply::kAccepted) return Attending::kGoesOn;
  retry = *reply == AttachReply::kUnknownVm ? kRetryUnknownVm : kRetryRefused;
  return Attending::kEnds;
}

// An accepted VMM hears nothing but orders and questions.
Keeper::Attending Keeper::Obey(int connection, std::span<const std::byte> message) {
  if (const auto question = DecodePlaceQuestion(message)) {
    const auto answer =
        EncodePlaceAnswer({question->id, options_.orders->GuestAddressOf(question->host)});
    ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return Attending::kGoesOn;
  }
  const auto order = DecodeHealOrder(message);
  if (!order) return Attending::kEnds;
  const auto answer = EncodeHealAnswer(options_.orders->Take(*order));
  // A notifier that is gone or full does not want it.
  ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return Attending::kGoesOn;
}

void Keeper::SendResults(int connection) {
  std::uint64_t rung = 0;
  [[maybe_unused]] const ssize_t ignored = ::read(results_.get(), &rung, sizeof rung);
  if (options_.orders == nullptr) return;
  for (const HealAnswer& result : options_.orders->TakeResults()) {
    const auto bytes = EncodeHealAnswer(result);
    // The notifier reads as they come; one that does not will look for itself.
    pollfd room{connection, POLLOUT, 0};
    if (::poll(&room, 1, kResultPatienceMs) != 1) return;
    ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

void Keeper::Note(AttachReply reply) {
  if (reply == AttachReply::kAccepted) {
    attached_ = true;
    ++attach_count_;
    log_(LogLevel::kInfo, "attached to the notifier at " + options_.socket_path);
    return;
  }
  ++refusals_;
  log_(LogLevel::kError, "the notifier refused this VM: " + std::string(ToString(reply)));
}

// True when the keeper is to end.
bool Keeper::Stopped(milliseconds wait) const {
  pollfd stop{stop_.get(), POLLIN, 0};
  return ::poll(&stop, 1, static_cast<int>(wait.count())) > 0;
}

}  // namespace seaward::vmm
