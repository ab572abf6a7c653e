#include "guest-agent/app/agent_loop.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <limits>

namespace seaward::agent {

Result<UniqueFd> TakeStopSignals() {
  // A host that leaves must not end the agent.
  if (std::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return FailErrno(errno, "ignore SIGPIPE");
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  if (::sigprocmask(SIG_BLOCK, &stop, nullptr) != 0) return FailErrno(errno, "block signals");
  UniqueFd fd(::signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return FailErrno(errno, "signalfd");
  return fd;
}

Result<AgentLoop> AgentLoop::Make(Agent& agent, const Clock& clock, int stop_fd) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return FailErrno(errno, "epoll");
  AgentLoop loop(agent, clock, stop_fd, std::move(epoll));
  int unwatched = -1;
  if (auto watched = loop.Watch(stop_fd, unwatched, EPOLLIN); !watched) return Forward(watched);
  return loop;
}

// A descriptor that was closed has left the epoll by itself; its number may come back.
Status AgentLoop::Watch(int fd, int& watched, unsigned events) {
  if (fd == watched) return {};
  watched = fd;
  if (fd < 0) return {};
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0 && errno != EEXIST)
    return FailErrno(errno, "watch a descriptor");
  return {};
}

Status AgentLoop::WatchWhatIsThere() {
  // Edge-triggered: with no host connected the port would be readable for ever.
  auto port = Watch(agent_.port_fd(), watched_port_, EPOLLIN | EPOLLOUT | EPOLLET);
  if (!port) return port;
  if (auto uevents = Watch(agent_.uevent_fd(), watched_uevents_, EPOLLIN); !uevents) return uevents;
  if (auto time = Watch(agent_.clock_fd(), watched_clock_, EPOLLIN); !time) return time;
  return Watch(agent_.watch_fd(), watched_devices_, EPOLLIN);
}

int AgentLoop::WaitMs(std::optional<MonoTime> deadline) const {
  if (agent_.HasWork()) return 0;
  const auto due = agent_.NextDeadline();
  if (due && (!deadline || *due < *deadline)) deadline = due;
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - clock_.Now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

Result<bool> AgentLoop::Step(std::optional<MonoTime> deadline) {
  if (auto watched = WatchWhatIsThere(); !watched) return Forward(watched);
  std::array<epoll_event, 5> events;
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), WaitMs(deadline));
  if (count < 0 && errno != EINTR) return FailErrno(errno, "epoll_wait");
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<std::size_t>(i)].data.fd;
    if (fd == stop_fd_) return false;
    if (fd == watched_port_) {
      agent_.PortEvent();
    } else if (fd == watched_devices_) {
      agent_.LookForPort();
    } else {
      agent_.ChangesNoticed();
    }
  }
  if (agent_.LostOwnMemory()) return Fail(ErrorCode::kIo, "a page of the agent itself", EFAULT);
  agent_.Work();
  return true;
}

Status AgentLoop::Run() {
  for (;;) {
    auto going = Step(std::nullopt);
    if (!going) return Forward(going);
    if (!*going) return {};
  }
}

Result<EarlyEnd> AgentLoop::RunEarly(const EarlyStage& early) {
  for (;;) {
    const EarlyView view = agent_.View();
    if (const auto end = early.Ended(view, clock_.Now())) return *end;
    auto going = Step(early.Deadline(view));
    if (!going) return Forward(going);
    if (!*going) return EarlyEnd::kLimitReached;
  }
}

}  // namespace seaward::agent
