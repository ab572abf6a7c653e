// KVM_RUN: the part of the interposer that runs in vCPU threads.
#include <array>
#include <bit>
#include <cinttypes>
#include <cstdio>

#include "host-notifier/vmm/interposer.h"
#include "host-notifier/vmm/kvm_abi.h"
#include "host-notifier/vmm/table_location.h"
#include "host-notifier/vmm/vcpu_hold.h"

namespace seaward::vmm {
namespace {

// Lines about single exits: so many per vCPU, then only every power of two.
constexpr std::uint64_t kExitsSaidEach = 8;

const char* ToText(Injection injection) {
  switch (injection) {
    case Injection::kNone:
      return "none";
    case Injection::kKvm:
      return "kvm";
    case Injection::kKvmInexact:
      return "kvm_inexact";
    case Injection::kVmm:
      return "vmm";
    case Injection::kExact:
      return "exact";
    case Injection::kNative:
      return "native";
  }
  return "none";
}

const char* ToText(HoldEnd end) {
  switch (end) {
    case HoldEnd::kVerdict:
      return "verdict";
    case HoldEnd::kNone:
      return "none";
    case HoldEnd::kInterrupted:
      return "interrupted";
    case HoldEnd::kTimedOut:
      return "timed_out";
  }
  return "none";
}

const char* LocatedBy(const SeaExit& exit) {
  if (exit.walked) return "walk";
  return (exit.flags & kSeaFlagGpaValid) != 0 ? "gpa" : "none";
}

}  // namespace

int Interposer::Run(int fd, void* argument) noexcept {
  Vcpu* vcpu = VcpuOf(fd, Unknown::kIsIdentified);
  if (vcpu == nullptr || !vcpu->vm || !vcpu->vm->reports.load(std::memory_order_relaxed) ||
      !GetReady(*vcpu, fd))
    return calls_.Ioctl(fd, kvm::kRun, argument);
  // Relaxed: a reset that looks at the same moment is the VMM's own race. `ran` and the count are
  // settled before the guest runs, because the vCPU cannot be initialised while this call lasts.
  vcpu->inside.store(true, std::memory_order_relaxed);
  if (!vcpu->ran.load(std::memory_order_relaxed) && !vcpu->ran.exchange(true))
    ++vcpu->vm->vcpus_that_ran;
  const int result = RunProtected(*vcpu, fd, argument);
  vcpu->inside.store(false, std::memory_order_relaxed);
  return result;
}

int Interposer::RunProtected(Vcpu& vcpu, int fd, void* argument) noexcept {
  for (;;) {
    const int result = calls_.Ioctl(fd, kvm::kRun, argument);
    if (result != 0) return result;
    if (vcpu.run->exit_reason != kvm::kExitArmSea) {
      vcpu.guard.Progress();
      return result;
    }
    if (!Answer(vcpu, fd)) return result;
    // Enter again. A VMM that wants its thread back has set immediate_exit or sent a signal, and
    // KVM_RUN returns at once.
  }
}

Interposer::Vcpu* Interposer::VcpuOf(int fd, Unknown unknown) noexcept {
  if (fd < 0 || fd >= kMaxFd) return nullptr;
  auto& slot = vcpus_[static_cast<std::size_t>(fd)];
  // Acquire: with the content that Remember stored.
  Vcpu* known = slot.load(std::memory_order_acquire);
  if (known != nullptr || unknown == Unknown::kStays) return known;
  Bookkeep([&] {
    const FdIdentity identity = calls_.Identify(fd);
    std::shared_ptr<Vm> vm;
    if (identity.kind == FdIdentity::Kind::kVcpu) {
      const std::lock_guard lock(mutex_);
      vm = latest_vm_;
    }
    Remember(fd, identity.vcpu, std::move(vm));
  });
  return slot.load(std::memory_order_acquire);
}

// Maps the vCPU's page and makes sure of a sink, both once.
bool Interposer::GetReady(Vcpu& vcpu, int fd) noexcept {
  if (vcpu.run != nullptr) return true;
  Bookkeep([&] {
    OpenSink(*vcpu.vm);
    vcpu.run = calls_.MapRun(fd);
  });
  return vcpu.run != nullptr;
}

SeaExit Interposer::ExitOf(const Vcpu& vcpu, int fd) noexcept {
  const kvm::ArmSea sea = kvm::ReadArmSea(*vcpu.run);
  SeaExit exit;
  exit.when = calls_.Now();
  exit.flags = sea.flags;
  exit.esr = sea.esr;
  exit.gva = GuestVirtAddr{sea.gva};
  exit.gpa = GuestPhysAddr{sea.gpa};
  if ((sea.flags & kSeaFlagGpaValid) != 0)
    exit.hva = vcpu.vm->memory.Find(exit.gpa).value_or(HostVirtAddr{});
  if (const auto table = LocateTable(calls_, fd, vcpu.kind, vcpu.vm->memory, exit)) {
    exit.gpa = table->page;
    exit.hva = table->hva;
    exit.walked = true;
  }
  return exit;
}

// True when the guest is to be entered again, false when the VMM is to see the exit.
bool Interposer::Answer(Vcpu& vcpu, int fd) noexcept {
  const KeepErrno keep;
  SeaExit exit = ExitOf(vcpu, fd);
  ExitSink* sink = vcpu.vm->sink.load(std::memory_order_acquire);
  if (vcpu.vm->vmm_handles.load(std::memory_order_relaxed)) {
    exit.injection = Injection::kVmm;
    if (sink != nullptr) sink->Publish(vcpu.index, exit);
    SayExit(vcpu, exit, 0);
    return false;
  }
  if (MayHold(vcpu, exit, sink)) {
    exit.injection = Injection::kNative;
    sink->Publish(vcpu.index, exit);
    const Held held = Hold(vcpu, exit, *sink);
    // Interrupted: KVM_RUN returns at once; when the guest comes back it meets the page again.
    if (held == Held::kInterrupted) return true;
    if (held == Held::kSettled) {
      SayExit(vcpu, exit, 0);
      SlowDown(vcpu, exit, false, sink);
      return true;
    }
    sink->CountNativeFallback(vcpu.index);
    TellGuest(vcpu, fd, exit, nullptr);  // published already
    return true;
  }
  TellGuest(vcpu, fd, exit, sink);
  return true;
}

bool Interposer::MayHold(const Vcpu& vcpu, const SeaExit& exit, ExitSink* sink) noexcept {
  if (sink == nullptr || !HostMaySettle(mode_, exit)) return false;
  if (!sink->OffersHostPages()) {
    if (mode_ == InjectMode::kNative && !said_not_native_.exchange(true))
      calls_.Say(LogLevel::kInfo, "no notifier offers native handling of this VM: as in mode auto");
    return false;
  }
  return !vcpu.settled || vcpu.settled->value / kPoisonGranule != exit.gpa.value / kPoisonGranule;
}

Interposer::Held Interposer::Hold(Vcpu& vcpu, const SeaExit& exit, ExitSink& sink) noexcept {
  constexpr std::chrono::milliseconds kSlice{10};
  HostPage answer = HostPage::kUnanswered;
  const Waited waited = WaitAtExit(
      native_wait_, kSlice, &vcpu.run->immediate_exit, [this] { return calls_.Now(); },
      [&](std::chrono::nanoseconds slice) {
        answer = sink.AwaitHostPage(vcpu.index, slice);
        return answer != HostPage::kUnanswered;
      });
  if (waited == Waited::kInterrupted) return Held::kInterrupted;
  if (answer != HostPage::kRetired) return Held::kNotSettled;
  vcpu.settled = exit.gpa;
  return Held::kSettled;
}

// The others that run this guest are those that ran since they were initialised: one that its guest
// has not started yet is in KVM_RUN, too, and nobody here can tell.
bool Interposer::MayAwaitVerdict(const Vcpu& vcpu, int fd, const SeaExit& exit,
                                 ExitSink& sink) noexcept {
  if (hold_.count() == 0 || !sink.OffersVerdicts()) return false;
  const auto pstate = VcpuRegisters(calls_, fd).Get(RegisterId::kPstate);
  return pstate && IsWorthHolding(exit, *pstate, vcpu.vm->vcpus_that_ran);
}

// Publishes, when there is a `sink`, holds the vCPU where that is wanted, and injects.
void Interposer::TellGuest(Vcpu& vcpu, int fd, SeaExit& exit, ExitSink* sink) noexcept {
  std::optional<ExactEntry> entry;
  if (WantsExactEntry(mode_, exit.esr))
    entry = PlanExactEntry(VcpuRegisters(calls_, fd), vcpu.kind, exit);
  exit.injection = DecideInjection(mode_, exit.esr, entry.has_value());
  // First of all: the agent can be on its way to the page while the guest takes the abort.
  std::optional<HoldEnd> hold;
  if (sink != nullptr) {
    exit.held = MayAwaitVerdict(vcpu, fd, exit, *sink);
    sink->Publish(vcpu.index, exit);
    if (exit.held) hold = sink->HoldForVerdict(vcpu.index, hold_, &vcpu.run->immediate_exit);
  }
  const int inject_errno = Inject(fd, entry);
  ExitSink* counters = vcpu.vm->sink.load(std::memory_order_acquire);
  if (counters != nullptr && inject_errno != 0) counters->CountFailedInjection(vcpu.index);
  SayExit(vcpu, exit, inject_errno, hold);
  SlowDown(vcpu, exit, entry && entry->after.handler_is_bad, counters);
}

void Interposer::SlowDown(Vcpu& vcpu, const SeaExit& exit, bool handler_is_bad,
                          ExitSink* sink) noexcept {
  const auto rest = handler_is_bad ? vcpu.guard.AfterBadHandler() : vcpu.guard.AfterFault(exit);
  if (rest.count() == 0) return;
  if (sink != nullptr) sink->CountRest(vcpu.index);
  calls_.Rest(rest);
}

// 0, or why the guest was not told, or not in the way that was planned.
int Interposer::Inject(int fd, const std::optional<ExactEntry>& entry) noexcept {
  int refused = 0;
  if (entry) {
    if (WriteExactEntry(VcpuRegisters(calls_, fd), *entry)) return 0;
    refused = errno;
  }
  // Only what is set here is made pending; KVM leaves an SError that is pending already alone
  // (api.rst, KVM_SET_VCPU_EVENTS).
  kvm::ArmVcpuEvents events{};
  events.ext_dabt_pending = 1;
  return calls_.Ioctl(fd, kvm::kSetVcpuEvents, &events) == 0 ? refused : errno;
}

void Interposer::SayExit(Vcpu& vcpu, const SeaExit& exit, int inject_errno,
                         std::optional<HoldEnd> hold) noexcept {
  ++vcpu.exits;
  if (vcpu.exits > kExitsSaidEach && !std::has_single_bit(vcpu.exits)) return;
  std::array<char, 256> line;
  const int n = std::snprintf(
      line.data(), line.size(),
      "event=arm_sea vcpu=%" PRIu32 " n=%" PRIu64 " flags=0x%" PRIx64 " esr=0x%" PRIx64
      " gva=0x%" PRIx64 " gpa=0x%" PRIx64 " hva=0x%" PRIx64
      " located_by=%s injection=%s inject_errno=%d hold=%s",
      vcpu.index, vcpu.exits, exit.flags, exit.esr, exit.gva.value, exit.gpa.value, exit.hva.value,
      LocatedBy(exit), ToText(exit.injection), inject_errno, hold ? ToText(*hold) : "no");
  if (n > 0)
    calls_.Say(LogLevel::kInfo, std::string_view(line.data(), static_cast<std::size_t>(n)));
}

}  // namespace seaward::vmm
