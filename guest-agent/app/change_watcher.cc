#include "guest-agent/app/change_watcher.h"

#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "guest-agent/port/uevent_socket.h"

namespace seaward::agent {
namespace {

// A timer that never ends, and that the kernel cancels when the clock jumps: with every resume, and
// when somebody sets the time, as is done after a restore.
bool ArmForJumps(int clock) {
  itimerspec never{};
  never.it_value.tv_sec = 9'000'000'000;  // nearly the last second that the kernel can count
  return ::timerfd_settime(clock, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) ==
             0 ||
         errno == ECANCELED;
}

}  // namespace

std::optional<std::string_view> MemoryNewsIn(std::string_view uevent) {
  // "online@/devices/system/memory/memory12", "add@...": taken away is what nobody can use.
  const std::string_view header = uevent.substr(0, uevent.find('\0'));
  constexpr std::string_view kBlocks = "@/devices/system/memory/memory";
  const std::size_t at = header.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view action = header.substr(0, at);
  if (header.substr(at).starts_with(kBlocks) && (action == "online" || action == "add"))
    return "memory_hotplug";
  // The virtual machine was cloned or put back to a snapshot (Linux drivers/virt/vmgenid.c).
  const std::string_view lines = uevent.substr(std::min(header.size() + 1, uevent.size()));
  constexpr std::string_view kNewGeneration = "NEW_VMGENID=1";
  for (std::string_view rest = lines; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    if (rest.substr(0, end) == kNewGeneration) return "new_generation";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}

Result<ChangeWatcher> ChangeWatcher::Open() {
  auto uevents = OpenUeventSocket();
  if (!uevents) return Forward(uevents);
  UniqueFd clock(::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!clock.valid()) return FailErrno(errno, "timerfd");
  if (!ArmForJumps(clock.get())) return FailErrno(errno, "watch the clock");
  return ChangeWatcher(std::move(*uevents), std::move(clock));
}

std::optional<std::string_view> ChangeWatcher::Drain() {
  std::optional<std::string_view> why;
  std::array<char, 4096> event;
  for (;;) {
    const ssize_t n = ::recv(uevents_.get(), event.data(), event.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    // Events were lost: any of them may have been one of ours.
    if (n < 0 && errno == ENOBUFS) {
      why = "events_lost";
      continue;
    }
    if (n < 0) break;
    if (const auto news = MemoryNewsIn({event.data(), static_cast<std::size_t>(n)})) why = news;
  }
  std::uint64_t expirations = 0;
  if (::read(clock_.get(), &expirations, sizeof expirations) < 0 && errno == ECANCELED) {
    why = "clock_jumped";
    (void)ArmForJumps(clock_.get());
  }
  return why;
}

}  // namespace seaward::agent
