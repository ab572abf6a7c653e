// What the interposer needs of the system: real in preload.cc, a double in tests.
#pragma once

#include <linux/kvm.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/log.h"
#include "host-notifier/vmm/heal_orders.h"
#include "host-notifier/vmm/own_pages.h"
#include "host-notifier/vmm/ring_format.h"
#include "host-notifier/vmm/sea_exit.h"
#include "host-notifier/vmm/vcpu_hold.h"

namespace seaward::vmm {

// What an open descriptor is, by the kernel's own name for it.
struct FdIdentity {
  enum class Kind { kOther, kVm, kVcpu } kind = Kind::kOther;
  std::uint32_t vcpu = 0;
};

class KvmCalls {
 public:
  virtual ~KvmCalls() = default;
  // ioctl(2), errno included.
  virtual int Ioctl(int fd, std::uint32_t request, void* argument) noexcept = 0;
  // The shared page of a vCPU, or nullptr.
  virtual kvm_run* MapRun(int vcpu_fd) noexcept = 0;
  virtual void UnmapRun(kvm_run* run) noexcept = 0;
  // Finds out about descriptors that came by dup or before the library was there.
  virtual FdIdentity Identify(int fd) noexcept = 0;
  // Copies guest memory out of this process. False, and never a signal, when the page is absent,
  // beyond the end of its file, or known to the host as bad.
  virtual bool ReadMemory(HostVirtAddr from, std::span<std::byte> to) noexcept = 0;
  // See own_pages.h. Not from vCPU threads that run a guest. Throws when there is no memory.
  virtual void JudgePages(std::span<PageToReplace> pages, Look look) = 0;
  virtual std::size_t PageBytes() noexcept = 0;
  virtual int SetAside(const PageToReplace& page, std::size_t bytes) noexcept = 0;
  virtual MonoTime Now() noexcept = 0;
  // Ends early when a signal arrives.
  virtual void Rest(std::chrono::milliseconds time) noexcept = 0;
  // Must not wait for whoever reads the lines.
  virtual void Say(LogLevel level, std::string_view line) noexcept = 0;
};

// Where exits of one VM go.
class ExitSink {
 public:
  virtual ~ExitSink() = default;
  virtual void Publish(std::uint32_t vcpu, const SeaExit& exit) noexcept = 0;
  // Whether a notifier is there that retires the host's page while the vCPU is held.
  virtual bool OffersHostPages() noexcept = 0;
  // Waits, for `slice` at most or until a signal, for what became of the host's page behind the
  // last exit of this vCPU.
  virtual HostPage AwaitHostPage(std::uint32_t vcpu, std::chrono::nanoseconds slice) noexcept = 0;
  // Whether a notifier is there that answers exits with `held`.
  virtual bool OffersVerdicts() noexcept = 0;
  // See vcpu_hold.h.
  virtual HoldEnd HoldForVerdict(std::uint32_t vcpu, std::chrono::microseconds patience,
                                 const volatile std::uint8_t* immediate_exit) noexcept = 0;
  virtual void CountNativeFallback(std::uint32_t vcpu) noexcept = 0;
  virtual void CountFailedInjection(std::uint32_t vcpu) noexcept = 0;
  virtual void CountRest(std::uint32_t vcpu) noexcept = 0;
  // Orders that were kept have been carried out: their results are there to be told.
  virtual void TellHealResults() noexcept = 0;
  // In a forked child: see Keeper::AbandonInChild.
  virtual void AbandonInChild() noexcept = 0;
};

class ExitSinkFactory {
 public:
  virtual ~ExitSinkFactory() = default;
  // For a VM that is about to run; nullptr when it cannot be (said by the factory). `orders` gets
  // what the notifier orders for this VM and outlives the sink.
  virtual std::unique_ptr<ExitSink> Open(HealOrderTaker& orders) = 0;
};

}  // namespace seaward::vmm
