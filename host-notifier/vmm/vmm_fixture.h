// A VMM on a KVM that tests play: every call goes through an interposer.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <memory>

#include "host-notifier/vmm/kvm_double_fixture.h"

namespace seaward::vmm {

inline constexpr int kKvmFd = 3;
inline constexpr std::uint64_t kGuestRam = 0x40000000;
inline constexpr std::uint64_t kHostRam = 0x7f1200000000;

// A VMM as QEMU is one: every call goes through the interposer.
class InterposedVmm : public testing::Test {
 protected:
  void Load(InjectMode mode = InjectMode::kAuto) {
    interposer_ =
        std::make_unique<Interposer>(kvm_, sinks_, InterposerOptions{.mode = mode, .hold = hold_});
  }
  int CreateVm(int fd) {
    kvm_.next_fd_ = fd;
    return interposer_->Ioctl(kKvmFd, kvm::kCreateVm, nullptr);
  }
  int CreateVcpu(int vm, std::uintptr_t index, int fd) {
    kvm_.next_fd_ = fd;
    return interposer_->Ioctl(vm, kvm::kCreateVcpu, std::bit_cast<void*>(index));
  }
  int GiveMemory(int vm, std::uint64_t length = 0x10000000) {
    kvm::MemoryRegion region{.slot = 0,
                             .flags = 0,
                             .guest_phys_addr = kGuestRam,
                             .memory_size = length,
                             .userspace_addr = kHostRam};
    return interposer_->Ioctl(vm, kvm::kSetUserMemoryRegion, &region);
  }
  int EnableSeaItself(int vm) {
    kvm_enable_cap cap{};
    cap.cap = kvm::kCapArmSeaToUser;
    return interposer_->Ioctl(vm, kvm::kEnableCap, &cap);
  }
  int Run(int vcpu) { return interposer_->Ioctl(vcpu, kvm::kRun, nullptr); }
  int InitVcpu(int vcpu, std::uint32_t features = 0) {
    kvm::ArmVcpuInit init{.target = 5, .features = {features, 0, 0, 0, 0, 0, 0}};
    return interposer_->Ioctl(vcpu, kvm::kVcpuInit, &init);
  }
  // A running VM on descriptors 10 (VM) and 11 (vCPU 0).
  void StartVm(InjectMode mode = InjectMode::kAuto) {
    Load(mode);
    CreateVm(10);
    CreateVcpu(10, 0, 11);
    InitVcpu(11);
    GiveMemory(10);
  }
  SinkRecord& sink() { return sinks_.record_; }

  KvmDouble kvm_;
  RecordingSinks sinks_;
  std::chrono::microseconds hold_{0};
  std::unique_ptr<Interposer> interposer_;
};

}  // namespace seaward::vmm
