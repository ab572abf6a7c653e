// Stands between an unmodified VMM and KVM: enables KVM_CAP_ARM_SEA_TO_USER on every VM, answers
// KVM_EXIT_ARM_SEA in the vCPU's own thread (publish, inject, enter again) and passes everything
// else on untouched. The VMM sees neither the exits nor a changed errno.
//
// close() and dup() are invisible to it: a descriptor number that KVM hands out again replaces what
// was known of it, and an unknown one is identified when it first runs.
//
// Threads: any. A vCPU takes a lock at its first KVM_RUN at most.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "host-notifier/vmm/exact_injection.h"
#include "host-notifier/vmm/injection.h"
#include "host-notifier/vmm/keep_errno.h"
#include "host-notifier/vmm/kvm_calls.h"
#include "host-notifier/vmm/loop_guard.h"
#include "host-notifier/vmm/memslot_map.h"
#include "host-notifier/vmm/page_healer.h"
#include "host-notifier/vmm/vcpu_hold.h"

namespace seaward::vmm {

struct InterposerOptions {
  InjectMode mode = InjectMode::kAuto;
  std::chrono::milliseconds native_wait = kDefaultNativeWait;
  std::chrono::microseconds hold{0};  // for the guest's verdict; 0: never
};

class Interposer {
 public:
  // vCPUs with higher descriptors are passed through, unprotected; said once.
  static constexpr int kMaxFd = 65536;

  // `calls` and `sinks` outlive the interposer.
  Interposer(KvmCalls& calls, ExitSinkFactory& sinks, const InterposerOptions& options);
  ~Interposer();

  // The VMM's ioctl(2).
  int Ioctl(int fd, std::uint32_t request, void* argument) noexcept;

  // In a forked child; the object must not be used afterwards.
  void AbandonInChild() noexcept;

 private:
  struct Vm {
    explicit Vm(KvmCalls& calls) : healer(memory, calls) {}
    MemslotMap memory;
    PageHealer healer;
    std::atomic<std::uint32_t> vcpus_that_ran{0};  // since they were initialised
    std::atomic<bool> reports{false};              // exits of this VM come to userspace
    std::atomic<bool> vmm_handles{false};  // because the VMM wanted them itself: only observe
    std::unique_ptr<ExitSink> owner;       // opened when the VM gets memory
    bool gave_up = false;                  // it could not be opened
    std::atomic<ExitSink*> sink{nullptr};
  };
  struct Vcpu {
    std::uint32_t index = 0;
    VcpuKind kind = VcpuKind::kUnknown;
    std::shared_ptr<Vm> vm;
    kvm_run* run = nullptr;  // mapped at the first KVM_RUN: earlier would pin a scratch VM
    LoopGuard guard;
    // The page that the host retired for the last held exit: a further one there was not settled.
    std::optional<GuestPhysAddr> settled;
    std::uint64_t exits = 0;
    std::atomic<bool> ran{false};     // since it was initialised
    std::atomic<bool> inside{false};  // in KVM_RUN now, or about to be
  };

  int CreateVm(int fd, void* argument) noexcept;
  int CreateVcpu(int vm_fd, void* argument) noexcept;
  int EnableCap(int fd, void* argument) noexcept;
  int SetMemory(int vm_fd, std::uint32_t request, void* argument) noexcept;
  int InitVcpu(int fd, void* argument) noexcept;
  int Run(int fd, void* argument) noexcept;

  // What follows a call that KVM has already carried out: errno stays, nothing is thrown.
  template <class Work>
  void Bookkeep(Work work) noexcept;
  void StartReporting(int vm_fd, Vm& vm);
  std::shared_ptr<Vm> VmOf(int vm_fd);
  void OpenSink(Vm& vm);
  void Remember(int vcpu_fd, std::uint32_t index, std::shared_ptr<Vm> vm);
  void GuestReset(Vm& vm);

  // interposer_run.cc
  enum class Unknown { kStays, kIsIdentified };
  Vcpu* VcpuOf(int fd, Unknown unknown) noexcept;
  bool GetReady(Vcpu& vcpu, int fd) noexcept;
  int RunProtected(Vcpu& vcpu, int fd, void* argument) noexcept;
  bool Answer(Vcpu& vcpu, int fd) noexcept;
  SeaExit ExitOf(const Vcpu& vcpu, int fd) noexcept;
  // What becomes of an exit for which the vCPU is held.
  enum class Held { kSettled, kInterrupted, kNotSettled };
  bool MayHold(const Vcpu& vcpu, const SeaExit& exit, ExitSink* sink) noexcept;
  Held Hold(Vcpu& vcpu, const SeaExit& exit, ExitSink& sink) noexcept;
  bool MayAwaitVerdict(const Vcpu& vcpu, int fd, const SeaExit& exit, ExitSink& sink) noexcept;
  void TellGuest(Vcpu& vcpu, int fd, SeaExit& exit, ExitSink* sink) noexcept;
  void SlowDown(Vcpu& vcpu, const SeaExit& exit, bool handler_is_bad, ExitSink* sink) noexcept;
  int Inject(int fd, const std::optional<ExactEntry>& entry) noexcept;
  void SayExit(Vcpu& vcpu, const SeaExit& exit, int inject_errno,
               std::optional<HoldEnd> hold = {}) noexcept;

  KvmCalls& calls_;
  ExitSinkFactory& sinks_;
  const InjectMode mode_;
  const std::chrono::milliseconds native_wait_;
  const std::chrono::microseconds hold_;
  std::mutex mutex_;  // vms_, and the writing of vcpus_
  std::map<int, std::shared_ptr<Vm>> vms_;
  std::shared_ptr<Vm> latest_vm_;
  std::atomic<bool> said_unsupported_{false};
  std::atomic<bool> said_beyond_{false};
  std::atomic<bool> said_not_native_{false};
  // A Vcpu is made once per descriptor number and reused in place: a running vCPU may look at it at
  // any time.
  std::array<std::atomic<Vcpu*>, kMaxFd> vcpus_{};
};

template <class Work>
void Interposer::Bookkeep(Work work) noexcept {
  const KeepErrno keep;
  try {
    work();
  } catch (const std::exception&) {  // no memory, no thread
    calls_.Say(LogLevel::kError, "out of resources: this VM may run without protection");
  }
}

}  // namespace seaward::vmm
