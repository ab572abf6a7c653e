// libseaward-preload.so: the ioctl that an unmodified VMM calls instead of libc's. Everything that
// is real about the interposer is here; this is the one file with a process-wide object, because
// the symbol it exports is process-wide.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "host-notifier/vmm/attached_vm.h"
#include "host-notifier/vmm/interposer.h"
#include "host-notifier/vmm/keep_errno.h"
#include "host-notifier/vmm/own_memory.h"
#include "host-notifier/vmm/own_pages.h"
#include "host-notifier/vmm/preload_environment.h"
#include "seaward/vmm.h"

namespace seaward::vmm {
namespace {

int RawIoctl(int fd, unsigned long request, void* argument) noexcept {
  return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}

class SystemCalls final : public KvmCalls {
 public:
  explicit SystemCalls(const PreloadEnvironment& environment) : environment_(environment) {}

  int Ioctl(int fd, std::uint32_t request, void* argument) noexcept override {
    return RawIoctl(fd, request, argument);
  }

  kvm_run* MapRun(int vcpu_fd) noexcept override {
    void* page = ::mmap(nullptr, RunBytes(), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
    return page == MAP_FAILED ? nullptr : static_cast<kvm_run*>(page);
  }
  void UnmapRun(kvm_run* run) noexcept override { ::munmap(run, RunBytes()); }

  FdIdentity Identify(int fd) noexcept override {
    std::array<char, 32> link{};
    std::array<char, 64> name{};
    std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
    if (::readlink(link.data(), name.data(), name.size() - 1) <= 0) return {};
    return IdentifyByName(name.data());
  }

  bool ReadMemory(HostVirtAddr from, std::span<std::byte> to) noexcept override {
    return ReadOwnMemory(from, to);
  }

  void JudgePages(std::span<PageToReplace> pages, Look look) override {
    vmm::JudgePages(pages, look, "/proc/self");
  }
  std::size_t PageBytes() noexcept override {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }
  int SetAside(const PageToReplace& page, std::size_t bytes) noexcept override {
    return vmm::SetAside(page, bytes);
  }

  MonoTime Now() noexcept override { return clock_.Now(); }

  void Rest(std::chrono::milliseconds time) noexcept override {
    const timespec ts{.tv_sec = 0, .tv_nsec = time.count() * 1000000};
    ::nanosleep(&ts, nullptr);
  }

  void Say(LogLevel level, std::string_view line) noexcept override {
    if (!environment_.Says(level)) return;
    // A full pipe must not hold a vCPU: no room, no line. Room means PIPE_BUF bytes (pipe(7)).
    pollfd stderr_room{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&stderr_room, 1, 0) != 1 || (stderr_room.revents & POLLOUT) == 0) return;
    std::array<char, 512> text;
    const int n = std::snprintf(text.data(), text.size(), "seaward: %.*s\n",
                                static_cast<int>(line.size()), line.data());
    if (n <= 0) return;
    const std::size_t size = std::min(static_cast<std::size_t>(n), text.size() - 1);
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), size);
  }

 private:
  // The first page holds struct kvm_run; what follows in the mapping is not ours to read.
  std::size_t RunBytes() noexcept { return PageBytes(); }

  const PreloadEnvironment& environment_;
  SystemClock clock_;
};

class RingSink final : public ExitSink {
 public:
  explicit RingSink(std::unique_ptr<AttachedVm> vm) : vm_(std::move(vm)) {}
  void Publish(std::uint32_t vcpu, const SeaExit& exit) noexcept override {
    vm_->ring().Publish(vcpu, exit);
  }
  bool OffersHostPages() noexcept override { return vm_->OffersHostPages(); }
  HostPage AwaitHostPage(std::uint32_t vcpu, std::chrono::nanoseconds slice) noexcept override {
    return vm_->ring().AwaitHostPage(vcpu, vm_->ring().LastSequence(vcpu), slice);
  }
  bool OffersVerdicts() noexcept override { return vm_->OffersVerdicts(); }
  HoldEnd HoldForVerdict(std::uint32_t vcpu, std::chrono::microseconds patience,
                         const volatile std::uint8_t* immediate_exit) noexcept override {
    return vmm::HoldForVerdict(vm_->ring(), vcpu, patience, immediate_exit, SystemClock());
  }
  void CountNativeFallback(std::uint32_t vcpu) noexcept override {
    vm_->ring().CountNativeFallback(vcpu);
  }
  void CountFailedInjection(std::uint32_t vcpu) noexcept override {
    vm_->ring().CountFailedInjection(vcpu);
  }
  void CountRest(std::uint32_t vcpu) noexcept override { vm_->ring().CountRest(vcpu); }
  void TellHealResults() noexcept override { vm_->keeper().Wake(); }
  void AbandonInChild() noexcept override { vm_->keeper().AbandonInChild(); }

 private:
  std::unique_ptr<AttachedVm> vm_;
};

class RingSinks final : public ExitSinkFactory {
 public:
  RingSinks(const PreloadEnvironment& environment, KvmCalls& calls)
      : environment_(environment), calls_(calls) {}

  std::unique_ptr<ExitSink> Open(HealOrderTaker& orders) override {
    AttachOptions options;
    options.orders = &orders;
    options.socket_path = environment_.attach_socket;
    auto vm = AttachedVm::Start(
        options, [this](LogLevel level, std::string_view line) { calls_.Say(level, line); });
    if (vm) return std::make_unique<RingSink>(std::move(*vm));
    calls_.Say(LogLevel::kError, "no ring: " + vm.error().Text());
    return nullptr;
  }

 private:
  const PreloadEnvironment& environment_;
  KvmCalls& calls_;
};

struct Process {
  explicit Process(const PreloadEnvironment& from)
      : environment(from),
        calls(environment),
        sinks(environment, calls),
        interposer(calls, sinks, {environment.inject, environment.native_wait, environment.hold}) {}

  // Once, and only where KVM is used: LD_PRELOAD reaches every program that the VMM starts.
  void SayComplaints() noexcept {
    if (said_complaints.exchange(true)) return;
    for (const std::string& complaint : environment.complaints)
      calls.Say(LogLevel::kError, complaint);
  }

  PreloadEnvironment environment;
  std::atomic<bool> said_complaints{false};
  SystemCalls calls;
  RingSinks sinks;
  Interposer interposer;
};

// Never freed: vCPU threads may still be inside while the process exits.
std::atomic<Process*> g_process{nullptr};

Process* NewProcess(const PreloadEnvironment& environment) {
  // Zero pages from the system for the descriptor table; nullptr = run as if absent.
  return new (std::nothrow) Process(environment);
}

// A forked child has the memory but neither the keeper thread nor, for KVM, the VMs.
void InForkedChild() {
  Process* parents = g_process.exchange(nullptr);
  if (parents == nullptr) return;
  parents->interposer.AbandonInChild();
  g_process = NewProcess(parents->environment);
}

__attribute__((constructor)) void StartInterposing() {
  const KeepErrno keep;
  const PreloadEnvironment environment =
      ReadPreloadEnvironment([](const char* name) { return ::getenv(name); });
  Process* process = NewProcess(environment);
  if (process == nullptr) return;
  ::pthread_atfork(nullptr, nullptr, InForkedChild);
  g_process = process;
}

}  // namespace
}  // namespace seaward::vmm

extern "C" __attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  using namespace seaward::vmm;
  Process* process = g_process.load(std::memory_order_acquire);
  if (process == nullptr || (request >> 8 & 0xff) != KVMIO) return RawIoctl(fd, request, argument);
  if (request == KVM_CREATE_VM) process->SayComplaints();
  return process->interposer.Ioctl(fd, static_cast<std::uint32_t>(request), argument);
}
