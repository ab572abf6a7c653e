#include "host-notifier/loop/process_watch.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace seaward {

Result<std::unique_ptr<FdWatch>> WatchProcess(boost::asio::io_context& loop,
                                              const ProcessIdentity& process,
                                              std::function<void()> ended) {
  // By number: glibc 2.36 declares pidfd_open for C alone.
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  if (!pidfd.valid()) {
    return Fail(errno == ESRCH ? ErrorCode::kNotFound : ErrorCode::kIo,
                "pidfd of " + std::to_string(process.pid), errno);
  }
  // After the pidfd is open: what it names is what is checked.
  auto now = IdentifyProcess(process.pid, "/proc");
  if (!now) return Forward(now);
  if (*now != process)
    return Fail(ErrorCode::kNotFound, "pid " + std::to_string(process.pid) + " was reused");
  return FdWatch::Watch(loop, pidfd.get(), [ended = std::move(ended), told = false]() mutable {
    // A dead process stays readable; the owner drops the watch in the call.
    if (!std::exchange(told, true)) ended();
  });
}

}  // namespace seaward
