#include "tests/bench/scale/soak_vmm.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>

#include "base/unix_socket.h"
#include "tests/bench/scale/bad_pages.h"
#include "tests/support/wait_until.h"

namespace seaward::bench {
namespace {

// Between two looks at a ring without room, which the notifier is about to make.
constexpr std::chrono::milliseconds kBetweenLooks{1};
constexpr std::chrono::seconds kStartLimit{60};
// Where its parent finds a VMM's listening socket.
constexpr int kListenerFd = 100;

}  // namespace

Result<SoakVmm> SoakVmm::Start(const std::string& program, const std::string& attach_socket,
                               const std::string& channel, const Uuid& vm) {
  std::filesystem::remove(channel);
  auto process = testing::ChildProcess::Start(
      {.argv = {program, "--vmm", FormatUuid(vm), "--attach", attach_socket, "--channel", channel},
       .keep_stdin = true});
  if (!process) return Forward(process);
  SoakVmm vmm(std::move(*process));
  const auto listens = [&vmm] { return vmm.ChannelListener().has_value(); };
  if (!testing::WaitUntil(listens, kStartLimit))
    return Fail(ErrorCode::kTimeout, "a VMM does not listen at " + channel);
  return vmm;
}

Status SoakVmm::Consume(std::uint64_t first, std::uint64_t count) const {
  return process_.WriteLine(fmt::format("{} {}", first, count));
}

Result<UniqueFd> SoakVmm::ChannelListener() const {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, process_.pid(), 0)));
  if (!process.valid()) return FailErrno(errno, "pidfd_open");
  UniqueFd listener(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), kListenerFd, 0)));
  if (!listener.valid()) return FailErrno(errno, "pidfd_getfd");
  return listener;
}

namespace {

Status ServeOrders(const SoakVmmPlan& plan) {
  auto vm = ParseUuid(plan.vm);
  if (!vm) return Forward(vm);
  auto listener = ListenUnix(plan.channel, SOCK_STREAM | SOCK_NONBLOCK);
  if (!listener) return Forward(listener);
  if (::dup3(listener->get(), kListenerFd, O_CLOEXEC) < 0) return FailErrno(errno, "dup3");
  auto vmm = AttachVmm(plan.attach_socket, *vm);
  if (!vmm) return Forward(vmm);
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  while (std::cin >> first >> count) {
    for (std::uint64_t page = first; page < first + count; ++page) {
      // A real vCPU would go on, and the exit be counted as lost.
      while (RecordsWaiting(*vmm) >= kLaneRecords) std::this_thread::sleep_for(kBetweenLooks);
      if (auto consumed = ConsumeBadPage(*vmm, page); !consumed) return consumed;
    }
  }
  return {};
}

}  // namespace

int RunSoakVmm(const SoakVmmPlan& plan) {
  const Status served = ServeOrders(plan);
  if (served) return 0;
  std::cerr << "soak_bench: error: " << served.error().Text() << '\n';
  return 1;
}

}  // namespace seaward::bench
