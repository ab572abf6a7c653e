#include "tests/bench/scale/guest_fleet.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>

#include "base/unix_socket.h"

namespace seaward::bench {
namespace {

// The longest nap: whoever waits may wait for something that is no guest's.
constexpr int kNapMs = 10;

}  // namespace

Status GuestFleet::Open() {
  epoll_.Reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return FailErrno(errno, "epoll");
  return {};
}

Status GuestFleet::BootAll(std::size_t guests, const std::string& dir) {
  if (auto opened = Open(); !opened) return opened;
  for (std::size_t i = 0; i < guests; ++i) {
    auto listener = ListenUnix(dir + "/" + std::to_string(i), SOCK_STREAM | SOCK_NONBLOCK);
    if (!listener) return Forward(listener);
    if (auto booted = Boot(i, std::move(*listener)); !booted) return booted;
  }
  return {};
}

Status GuestFleet::Boot(std::size_t number, UniqueFd listener) {
  if (number >= guests_.size()) guests_.resize(number + 1);
  // Somebody else may have its listener as well: closing it would not take it out.
  if (const auto& before = guests_[number])
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, before->listener_fd(), nullptr);
  guests_[number] = std::make_unique<SimulatedGuest>(++boots_, std::move(listener), clock_);
  return Watch(guests_[number]->listener_fd(), number, EPOLLIN | EPOLLET);
}

Status GuestFleet::Watch(int fd, std::size_t guest, unsigned events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = guest;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return FailErrno(errno, "epoll");
  return {};
}

bool GuestFleet::ServeUntil(const std::function<bool()>& holds, std::chrono::milliseconds limit) {
  const MonoTime deadline = clock_.Now() + limit;
  while (!holds()) {
    if (clock_.Now() >= deadline) return false;
    Turn();
  }
  return true;
}

void GuestFleet::Turn() {
  std::array<epoll_event, 256> events;
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), WaitMs());
  for (int i = 0; i < count; ++i) Event(events[static_cast<std::size_t>(i)].data.u64);
  const MonoTime now = clock_.Now();
  for (const auto& guest : guests_) {
    const auto due = guest->NextDeadline();
    if (guest->HasWork() || (due && *due <= now)) guest->Work();
  }
}

// One number for both descriptors of a guest: looking at the other one as well costs a call.
void GuestFleet::Event(std::size_t index) {
  SimulatedGuest& guest = *guests_[index];
  if (guest.channel_fd() >= 0) guest.Serve();
  while (guest.Accept()) {
    if (Watch(guest.channel_fd(), index, EPOLLIN | EPOLLOUT | EPOLLET)) guest.Serve();
  }
}

int GuestFleet::WaitMs() const {
  std::optional<MonoTime> next;
  for (const auto& guest : guests_) {
    if (guest->HasWork()) return 0;
    const auto due = guest->NextDeadline();
    if (due && (!next || *due < *next)) next = due;
  }
  if (!next) return kNapMs;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock_.Now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, kNapMs));
}

std::size_t GuestFleet::synced() const {
  return static_cast<std::size_t>(
      std::count_if(guests_.begin(), guests_.end(), [](const auto& g) { return g->synced(); }));
}

std::uint64_t GuestFleet::entries_heard() const {
  return std::accumulate(guests_.begin(), guests_.end(), std::uint64_t{0},
                         [](auto sum, const auto& g) { return sum + g->entries_heard(); });
}

std::uint64_t GuestFleet::bytes_heard() const {
  return std::accumulate(guests_.begin(), guests_.end(), std::uint64_t{0},
                         [](auto sum, const auto& g) { return sum + g->bytes_heard(); });
}

std::uint64_t GuestFleet::retired_bytes() const {
  return std::accumulate(guests_.begin(), guests_.end(), std::uint64_t{0},
                         [](auto sum, const auto& g) { return sum + g->retired_bytes(); });
}

}  // namespace seaward::bench
