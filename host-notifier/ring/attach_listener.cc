#include "host-notifier/ring/attach_listener.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/unix_socket.h"
#include "host-notifier/ring/received_descriptors.h"

namespace seaward::ring {
namespace {

// Peers that connected and say nothing; the oldest goes when one more comes.
constexpr std::size_t kMaxWaiting = 64;
// After a restart of the notifier all VMMs of the host come at once, and whom the kernel turns away
// waits for two seconds.
constexpr int kBacklog = 4096;
// Steps of one Accept call, so that a flood of peers cannot keep the event loop from its rings.
constexpr int kStepsPerCall = 32;
// Descriptors whose close() hangs: beyond this nobody's message is read any more (the kernel then
// drops what it carries without asking its file system).
constexpr std::size_t kMaxHangingCloses = 64;

Result<UniqueFd> NewSocket() {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return FailErrno(errno, "socket");
  return socket;
}

Result<UniqueFd> ListenOn(const ListenerOptions& options) {
  auto address = UnixAddress(options.path);
  if (!address) return Forward(address);
  if (auto removed = RemoveAbandonedSocket(options.path, SOCK_SEQPACKET); !removed)
    return Forward(removed);
  auto socket = NewSocket();
  if (!socket) return Forward(socket);
  if (::bind(socket->get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return FailErrno(errno, "bind " + options.path);
  if (::chmod(options.path.c_str(), options.mode) != 0 || ::listen(socket->get(), kBacklog) != 0) {
    const int failed = errno;
    ::unlink(options.path.c_str());
    return FailErrno(failed, "listen on " + options.path);
  }
  return socket;
}

bool Watch(int epoll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct Letter {
  std::array<std::byte, vmm::kAttachRequestBytes + 1> bytes;  // one more, to notice a long one
  std::size_t size = 0;
  bool truncated = false;
  std::array<UniqueFd, vmm::kAttachDescriptors> fds;
};

void TakeDescriptors(msghdr& message, Letter& letter) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < n && i < letter.fds.size(); ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      letter.fds[i].Reset(fd);
    }
  }
}

// kClosed when the peer left without a word.
Result<Letter> ReadLetter(int connection) {
  Letter letter;
  iovec iov{letter.bytes.data(), letter.bytes.size()};
  // Room for exactly the descriptors that belong here: the kernel drops further ones by itself.
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(vmm::kAttachDescriptors * sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(connection, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0) return FailErrno(errno, "recvmsg");
  TakeDescriptors(message, letter);
  if (n == 0 && !letter.fds[0].valid()) return Fail(ErrorCode::kClosed, "left before attaching");
  letter.size = static_cast<std::size_t>(n);
  letter.truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  return letter;
}

void SendReply(int connection, vmm::AttachReply reply) {
  const auto bytes = vmm::EncodeAttachReply(reply);
  // A peer that is gone or full does not want its answer.
  [[maybe_unused]] const ssize_t ignored =
      ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

void Attachment::Confirm() const {
  SendReply(connection.get(), vmm::AttachReply::kAccepted);
}
void Attachment::Refuse(vmm::AttachReply reason) const {
  SendReply(connection.get(), reason);
}

bool Attachment::SendHealOrder(const vmm::HealOrder& order) const {
  if (!ring.TakesHealOrders()) return false;
  const auto bytes = vmm::EncodeHealOrder(order);
  return ::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(bytes.size());
}

bool Attachment::SendPlaceQuestion(const vmm::PlaceQuestion& question) const {
  if (!ring.TakesPlaceQuestions()) return false;
  const auto bytes = vmm::EncodePlaceQuestion(question);
  return ::send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(bytes.size());
}

Result<Attachment::Answer> Attachment::ReadAnswer() const {
  // One more byte than the longest, to notice a long message.
  std::array<std::byte, std::max(vmm::kHealAnswerBytes, vmm::kPlaceAnswerBytes) + 1> bytes;
  // No room for descriptors: the kernel closes what comes.
  const ssize_t n = ::recv(connection.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Answer();
  if (n < 0) return FailErrno(errno, "recv");
  if (n == 0) return Fail(ErrorCode::kClosed, "the VMM is gone");
  const auto message = std::span(bytes).first(static_cast<std::size_t>(n));
  if (const auto place = vmm::DecodePlaceAnswer(message)) return Answer(*place);
  auto answer = vmm::DecodeHealAnswer(message);
  if (!answer) return Forward(answer);
  return Answer(*answer);
}

Result<AttachListener> AttachListener::Open(const ListenerOptions& options, const Clock& clock) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return FailErrno(errno, "epoll_create1");
  auto socket = ListenOn(options);
  if (!socket) return Forward(socket);
  AttachListener listener(options, clock, std::move(*socket), std::move(epoll));
  if (!Watch(listener.epoll_.get(), listener.socket_.get()))
    return FailErrno(errno, "watching " + options.path);
  return listener;
}

AttachListener::AttachListener(ListenerOptions options, const Clock& clock, UniqueFd socket,
                               UniqueFd epoll)
    : options_(std::move(options)),
      clock_(&clock),
      socket_(std::move(socket)),
      epoll_(std::move(epoll)),
      spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
      disposer_(std::make_unique<FdDisposer>()) {}

AttachListener::~AttachListener() {
  if (socket_.valid()) ::unlink(options_.path.c_str());
}

Result<std::optional<Attachment>> AttachListener::Accept() {
  for (int step = 0; step < kStepsPerCall; ++step) {
    epoll_event event;
    if (::epoll_wait(epoll_.get(), &event, 1, 0) <= 0) return std::optional<Attachment>();
    if (event.data.fd == socket_.get()) {
      if (auto welcomed = Welcome(); !welcomed) return Forward(welcomed);
      continue;
    }
    const auto found = std::ranges::find_if(
        waiting_, [&](const Peer& p) { return p.connection.get() == event.data.fd; });
    if (found == waiting_.end()) continue;
    Peer peer = std::move(*found);
    waiting_.erase(found);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, peer.connection.get(), nullptr);
    auto attachment = Admit(peer);
    if (attachment) return std::optional<Attachment>(std::move(*attachment));
    if (attachment.error().code != ErrorCode::kClosed) return Forward(attachment);
  }
  return std::optional<Attachment>();
}

Status AttachListener::Welcome() {
  Peer peer;
  peer.connection.Reset(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer.connection.valid()) {
    if (errno != EMFILE && errno != ENFILE) return {};
    // The socket would stay readable for ever: take the peer with the spare descriptor, drop it.
    spare_.Reset();
    UniqueFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)).Reset();
    spare_.Reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return Fail(ErrorCode::kLimit, "attach refused: out of file descriptors", EMFILE);
  }
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(peer.connection.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return FailErrno(errno, "SO_PEERCRED");
  peer.uid = credentials.uid;
  auto process = IdentifyProcess(credentials.pid, options_.proc_root);
  if (!process) return {};  // gone already, or of a pid namespace that we do not see
  peer.process = *process;
  if (waiting_.size() >= kMaxWaiting) waiting_.pop_front();
  if (!Watch(epoll_.get(), peer.connection.get())) return FailErrno(errno, "watching a VMM");
  waiting_.push_back(std::move(peer));
  return {};
}

Result<Attachment> AttachListener::Admit(Peer& peer) {
  auto attachment = Receive(peer);
  if (attachment || attachment.error().code == ErrorCode::kClosed) return attachment;
  SendReply(peer.connection.get(), vmm::AttachReply::kMalformed);
  Error error = std::move(attachment.error());
  error.context = "attach refused: pid " + std::to_string(peer.process.pid) + " uid " +
                  std::to_string(peer.uid) + ": " + error.context;
  return tl::unexpected<Error>(std::move(error));
}

Result<Attachment> AttachListener::Receive(Peer& peer) {
  if (disposer_->pending() >= kMaxHangingCloses)
    return Fail(ErrorCode::kLimit, "too many hostile descriptors are still closing");
  auto letter = ReadLetter(peer.connection.get());
  if (!letter) return Forward(letter);
  auto& [memory, doorbell] = letter->fds;
  auto request = vmm::DecodeAttachRequest(std::span(letter->bytes).first(letter->size));
  if (!request || letter->truncated || !ClosesAtOnce(memory.get()) ||
      !ClosesAtOnce(doorbell.get())) {
    disposer_->Dispose(std::move(memory));
    disposer_->Dispose(std::move(doorbell));
    if (!request) return Forward(request);
    return Fail(ErrorCode::kInvalid, "not one memfd and one eventfd");
  }
  auto ring = RingConsumer::Open(std::move(memory), std::move(doorbell), *clock_);
  if (!ring) return Forward(ring);
  return Attachment{.process = peer.process,
                    .uid = peer.uid,
                    .claimed_vm = request->claimed_vm,
                    .ring = std::move(*ring),
                    .connection = std::move(peer.connection)};
}

}  // namespace seaward::ring
