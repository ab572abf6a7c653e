#include "host-notifier/vmm/interposer.h"

#include "host-notifier/vmm/kvm_abi.h"

namespace seaward::vmm {
Interposer::Interposer(KvmCalls& calls, ExitSinkFactory& sinks, const InterposerOptions& options)
    : calls_(calls),
      sinks_(sinks),
      mode_(options.mode),
      native_wait_(options.native_wait),
      hold_(options.hold) {}

Interposer::~Interposer() {
  for (auto& slot : vcpus_) {
    Vcpu* vcpu = slot.load(std::memory_order_relaxed);
    if (vcpu != nullptr && vcpu->run != nullptr) calls_.UnmapRun(vcpu->run);
    delete vcpu;
  }
}

int Interposer::Ioctl(int fd, std::uint32_t request, void* argument) noexcept {
  switch (request) {
    case kvm::kRun:
      return Run(fd, argument);
    case kvm::kCreateVm:
      return CreateVm(fd, argument);
    case kvm::kCreateVcpu:
      return CreateVcpu(fd, argument);
    case kvm::kVcpuInit:
      return InitVcpu(fd, argument);
    case kvm::kEnableCap:
      return EnableCap(fd, argument);
    case kvm::kSetUserMemoryRegion:
    case kvm::kSetUserMemoryRegion2:
      return SetMemory(fd, request, argument);
    default:
      return calls_.Ioctl(fd, request, argument);
  }
}

int Interposer::CreateVm(int fd, void* argument) noexcept {
  const int vm_fd = calls_.Ioctl(fd, kvm::kCreateVm, argument);
  if (vm_fd < 0) return vm_fd;
  Bookkeep([&] {
    auto vm = std::make_shared<Vm>(calls_);
    StartReporting(vm_fd, *vm);
    // Whoever had the number before is gone.
    if (VcpuOf(vm_fd, Unknown::kStays) != nullptr) Remember(vm_fd, 0, nullptr);
    std::shared_ptr<Vm> replaced;  // dies outside the lock: its keeper is joined
    const std::lock_guard lock(mutex_);
    replaced = std::exchange(vms_[vm_fd], vm);
    latest_vm_ = std::move(vm);
  });
  return vm_fd;
}

void Interposer::StartReporting(int vm_fd, Vm& vm) {
  // Without injection nobody would answer the exits, unless the VMM asks for them itself.
  if (mode_ == InjectMode::kNone) return;
  kvm_enable_cap cap{};
  cap.cap = kvm::kCapArmSeaToUser;
  if (calls_.Ioctl(vm_fd, kvm::kEnableCap, &cap) == 0) {
    vm.reports = true;
    calls_.Say(LogLevel::kDebug, "KVM_CAP_ARM_SEA_TO_USER enabled");
  } else if (!said_unsupported_.exchange(true)) {
    calls_.Say(LogLevel::kInfo, "this KVM has no KVM_CAP_ARM_SEA_TO_USER: not protected");
  }
}

int Interposer::EnableCap(int fd, void* argument) noexcept {
  const int result = calls_.Ioctl(fd, kvm::kEnableCap, argument);
  if (result != 0 || argument == nullptr ||
      static_cast<const kvm_enable_cap*>(argument)->cap != kvm::kCapArmSeaToUser)
    return result;
  Bookkeep([&] {
    const auto vm = VmOf(fd);
    if (!vm) return;
    vm->vmm_handles = true;
    vm->reports = true;
    calls_.Say(LogLevel::kInfo, "the VMM handles KVM_EXIT_ARM_SEA itself: only observing");
  });
  return result;
}

int Interposer::SetMemory(int vm_fd, std::uint32_t request, void* argument) noexcept {
  const int result = calls_.Ioctl(vm_fd, request, argument);
  if (result != 0 || argument == nullptr) return result;
  Bookkeep([&] {
    const auto vm = VmOf(vm_fd);
    if (!vm) return;
    const auto unhurried = vm->healer.WhileMemoryChanges();
    const auto& region = *static_cast<const kvm::MemoryRegion*>(argument);
    if (!vm->memory.Set({.id = region.slot,
                         .start = GuestPhysAddr{region.guest_phys_addr},
                         .length = region.memory_size,
                         .host = HostVirtAddr{region.userspace_addr}}))
      calls_.Say(LogLevel::kError, "too many memory slots: host addresses may be unknown");
    // A VM with memory is no probe: from here on it wants a notifier.
    if (vm->reports) OpenSink(*vm);
  });
  return result;
}

int Interposer::CreateVcpu(int vm_fd, void* argument) noexcept {
  const int vcpu_fd = calls_.Ioctl(vm_fd, kvm::kCreateVcpu, argument);
  if (vcpu_fd < 0) return vcpu_fd;
  Bookkeep([&] {
    Remember(vcpu_fd, static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(argument)),
             VmOf(vm_fd));
  });
  return vcpu_fd;
}

int Interposer::InitVcpu(int fd, void* argument) noexcept {
  const int result = calls_.Ioctl(fd, kvm::kVcpuInit, argument);
  if (result != 0 || argument == nullptr) return result;
  // No lock: KVM lets nobody initialise a vCPU while it runs.
  Vcpu* vcpu = VcpuOf(fd, Unknown::kIsIdentified);
  if (vcpu == nullptr) return result;
  vcpu->kind = KindOf(*static_cast<const kvm::ArmVcpuInit*>(argument));
  // A reset is complete with the last of the vCPUs that ran. Images are loaded after it.
  if (vcpu->vm && vcpu->ran.exchange(false) && --vcpu->vm->vcpus_that_ran == 0)
    Bookkeep([&] { GuestReset(*vcpu->vm); });
  return result;
}

void Interposer::GuestReset(Vm& vm) {
  if (!vm.healer.HasStanding()) return;
  bool running = false;
  {
    const std::lock_guard lock(mutex_);  // Remember changes whose a vCPU is
    for (const auto& slot : vcpus_) {
      const Vcpu* vcpu = slot.load(std::memory_order_relaxed);  // written under the lock only
      if (vcpu != nullptr && vcpu->vm.get() == &vm && vcpu->inside) running = true;
    }
  }
  vm.healer.GuestReset(running);
  ExitSink* sink = vm.sink.load(std::memory_order_acquire);
  if (sink != nullptr) sink->TellHealResults();
}

// The VM behind a descriptor; one that came by dup is adopted. Nothing when it is no VM.
std::shared_ptr<Interposer::Vm> Interposer::VmOf(int vm_fd) {
  const std::lock_guard lock(mutex_);
  if (const auto known = vms_.find(vm_fd); known != vms_.end()) return known->second;
  if (calls_.Identify(vm_fd).kind != FdIdentity::Kind::kVm) return nullptr;
  // A second number of a VM we know, most likely: VMMs have one.
  auto vm = latest_vm_;
  if (!vm) {
    vm = std::make_shared<Vm>(calls_);
    StartReporting(vm_fd, *vm);
    latest_vm_ = vm;
  }
  vms_[vm_fd] = vm;
  return vm;
}

void Interposer::OpenSink(Vm& vm) {
  const std::lock_guard lock(mutex_);
  if (vm.owner || vm.gave_up) return;
  vm.owner = sinks_.Open(vm.healer);
  vm.gave_up = !vm.owner;
  vm.sink.store(vm.owner.get(), std::memory_order_release);  // with what it points to
}

void Interposer::Remember(int vcpu_fd, std::uint32_t index, std::shared_ptr<Vm> vm) {
  if (vcpu_fd >= kMaxFd) {
    if (!said_beyond_.exchange(true))
      calls_.Say(LogLevel::kError, "vCPU with a descriptor above 65535: not protected");
    return;
  }
  const std::lock_guard lock(mutex_);
  vms_.erase(vcpu_fd);
  auto& slot = vcpus_[static_cast<std::size_t>(vcpu_fd)];
  Vcpu* vcpu = slot.load(std::memory_order_relaxed);  // written under the lock only
  if (vcpu == nullptr) vcpu = new Vcpu;
  if (vcpu->run != nullptr) calls_.UnmapRun(vcpu->run);
  if (vcpu->ran.exchange(false) && vcpu->vm) --vcpu->vm->vcpus_that_ran;
  vcpu->index = index;
  vcpu->kind = VcpuKind::kUnknown;
  vcpu->vm = std::move(vm);
  vcpu->run = nullptr;
  vcpu->guard = {};
  vcpu->settled.reset();
  vcpu->exits = 0;
  slot.store(vcpu, std::memory_order_release);  // with its content
}

void Interposer::AbandonInChild() noexcept {
  for (auto& [fd, vm] : vms_)
    if (vm->owner) vm->owner->AbandonInChild();
}

}  // namespace seaward::vmm
