// Plays a generated script of what a VMM and KVM do to an interposer, and checks after every exit
// what must hold whatever the script says. For the fuzzer and for seeded unit tests.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>

#include "base/byte_codec.h"
#include "host-notifier/vmm/kvm_double_fixture.h"
#include "host-notifier/vmm/syndrome.h"

namespace seaward::vmm {

class ExitPlay {
 public:
  // Called with false when a rule is broken.
  using Rule = std::function<void(bool holds, const char* rule)>;

  ExitPlay(std::span<const std::byte> script, Rule rule)
      : script_(script),
        rule_(std::move(rule)),
        mode_(static_cast<InjectMode>(script_.Get<std::uint8_t>() %
                                      (static_cast<unsigned>(InjectMode::kNone) + 1))),
        interposer_(kvm_, sinks_, InterposerOptions{.mode = mode_, .hold = kHold}) {
    for (const RegisterId id : kRegisters) kvm_.registers_[id] = 0;
    // A guest that translates, with 4 KiB tables everywhere: walks go far.
    kvm_.registers_[RegisterId::kSctlrEl1] = 1;
    kvm_.registers_[RegisterId::kTtbr0El1] = kRam;
    kvm_.registers_[RegisterId::kTcrEl1] = 16 | 16 << 16 | std::uint64_t{2} << 30;
    kvm_.other_words_ = [](std::uint64_t address) -> std::optional<std::uint64_t> {
      if (address % 11 == 0) return std::nullopt;  // absent
      return (kRam + (address * 0x9e3779b1 & (kRamBytes - 1) & ~std::uint64_t{0xfff})) | 3;
    };
    kvm_.next_fd_ = kVm;
    Call(3, kvm::kCreateVm, nullptr);
    kvm_.next_fd_ = kVcpu;
    Call(kVm, kvm::kCreateVcpu, nullptr);
    SetMemory(kRam, kRamBytes);
    // A second one, so that the first may be held.
    kvm_.next_fd_ = kOtherVcpu;
    Call(kVm, kvm::kCreateVcpu, std::bit_cast<void*>(std::uintptr_t{1}));
    Call(kOtherVcpu, kvm::kRun, nullptr);
  }

  void Play() {
    while (script_.remaining() > 0) Step(script_.Get<std::uint8_t>());
  }
  std::uint64_t exits() const { return exits_; }

 private:
  static constexpr int kVm = 10;
  static constexpr int kVcpu = 11;
  static constexpr int kOtherVcpu = 12;
  static constexpr std::chrono::microseconds kHold{2000};
  static constexpr std::uint64_t kRam = 0x40000000;
  static constexpr std::uint64_t kRamBytes = 1 << 24;
  static constexpr std::uint64_t kHost = 0x7f0000000000;
  static constexpr std::size_t kReadsPerWalk = 4;
  static constexpr std::array kRegisters{
      RegisterId::kPc,       RegisterId::kPstate,         RegisterId::kElrEl1,
      RegisterId::kSpsrEl1,  RegisterId::kEsrEl1,         RegisterId::kFarEl1,
      RegisterId::kVbarEl1,  RegisterId::kSctlrEl1,       RegisterId::kSctlr2El1,
      RegisterId::kTtbr0El1, RegisterId::kTtbr1El1,       RegisterId::kTcrEl1,
      RegisterId::kTcr2El1,  RegisterId::kIdAa64Mmfr0El1, RegisterId::kIdAa64Pfr1El1,
      RegisterId::kHcrEl2};

  int Call(int fd, std::uint32_t request, void* argument) {
    return interposer_.Ioctl(fd, request, argument);
  }
  void SetMemory(std::uint64_t start, std::uint64_t length) {
    kvm::MemoryRegion region{.slot = 0,
                             .flags = 0,
                             .guest_phys_addr = start,
                             .memory_size = length,
                             .userspace_addr = kHost};
    Call(kVm, kvm::kSetUserMemoryRegion, &region);
    ram_start_ = start;
    ram_bytes_ = length;
  }
  RegisterId NextRegister() { return kRegisters[script_.Get<std::uint8_t>() % kRegisters.size()]; }

  void Step(std::uint8_t op) {
    switch (op % 8) {
      case 0: {
        // EL1 of 32 bits and an EL2 among them.
        kvm::ArmVcpuInit init{.target = 5,
                              .features = {(op / 8u & 2) | (op / 8u & 4) << 5, 0, 0, 0, 0, 0, 0}};
        Call(kVcpu, kvm::kVcpuInit, &init);
        return;
      }
      case 1:
        return SetMemory(kRam, op / 8 % 2 == 0 ? kRamBytes : kRamBytes >> op / 8 % 16);
      case 2:
        kvm_.registers_[NextRegister()] = script_.Get<std::uint64_t>();
        return;
      case 3:
        kvm_.registers_.erase(NextRegister());
        return;
      case 4:
        if (const RegisterId id = NextRegister(); kvm_.unwritable_.erase(id) == 0)
          kvm_.unwritable_.insert(id);
        return;
      case 5:
        kvm_.inject_error_ = op / 8 % 2 == 0 ? 0 : EINVAL;
        return SetNotifier(op / 16);
      default:
        return Exit(op);
    }
  }

  void SetNotifier(unsigned choice) {
    sinks_.record_.offers_host_pages = choice % 4 != 0;
    const auto answer = static_cast<HostPage>(choice % 3);
    sinks_.record_.offers_verdicts = choice % 2 == 0;
    sinks_.record_.hold = [this, choice](std::chrono::microseconds patience, auto immediate_exit) {
      rule_(immediate_exit == &kvm_.pages_[kVcpu].immediate_exit, "a hold can be ended");
      kvm_.now_ += patience;
      return static_cast<HoldEnd>(choice % 4);
    };
    sinks_.record_.host_page = [this, answer, choice] {
      kvm_.now_ += std::chrono::milliseconds(10);
      if (choice % 5 == 4) kvm_.pages_[kVcpu].immediate_exit = 1;
      return answer;
    };
  }

  void Exit(std::uint8_t op) {
    // Mostly aborts: a random class is one in four.
    constexpr std::array<std::uint32_t, 4> classes{0x82000000, 0x92000000, 0x96000000, 0};
    RunStep step = SeaAt(0);
    step.sea.flags = op / 8 % 2;
    step.sea.esr = classes[op / 16 % 4] | script_.Get<std::uint32_t>();
    step.sea.gva = script_.Get<std::uint64_t>();
    step.sea.gpa = script_.Get<std::uint64_t>();
    kvm_.steps_ = {step, RunStep{}};
    const std::size_t published = sinks_.record_.exits.size();
    const std::size_t injected = kvm_.injected_.size();
    const int failed = sinks_.record_.failed_injections;
    const int fallbacks = sinks_.record_.native_fallbacks;
    const int holds = sinks_.record_.holds;
    const auto pstate = kvm_.registers_.find(RegisterId::kPstate);
    const bool of_a_process = pstate != kvm_.registers_.end() && (pstate->second & 0xf) == 0;
    const MonoTime start = kvm_.now_;
    kvm_.pages_[kVcpu].immediate_exit = 0;
    kvm_.reads_.clear();
    errno = 77;
    rule_(Call(kVcpu, kvm::kRun, nullptr) == 0, "KVM_RUN's result is KVM's");
    rule_(errno == 77, "errno stays");
    rule_(kvm_.reads_.size() <= kReadsPerWalk, "a walk is bounded");
    rule_(kvm_.now_ - start <= kDefaultNativeWait, "a vCPU is held within its bound");
    if (mode_ == InjectMode::kNone) {
      rule_(sinks_.record_.exits.size() == published, "mode none leaves exits alone");
      return;
    }
    ++exits_;
    rule_(sinks_.record_.exits.size() == published + 1, "every exit is published once");
    CheckPublished(sinks_.record_.exits.back().second, step.sea);
    const bool told_by_kvm = kvm_.injected_.size() == injected + 1;
    const bool refused = sinks_.record_.failed_injections == failed + 1;
    const SeaExit& exit = sinks_.record_.exits.back().second;
    rule_(sinks_.record_.holds == holds + (exit.held ? 1 : 0), "held once, and only as published");
    rule_(!exit.held || (of_a_process && (exit.flags & kSeaFlagGpaValid) != 0 &&
                         exit.injection != Injection::kNative),
          "held for a process's known page");
    if (exit.injection != Injection::kNative) return CheckTold(exit, told_by_kvm, refused);
    rule_(exit.hva.value != 0 && (exit.flags & kSeaFlagGpaValid) != 0, "held for a known page");
    if (sinks_.record_.native_fallbacks == fallbacks) rule_(!told_by_kvm, "settled: not injected");
  }

  void CheckPublished(const SeaExit& exit, const kvm::ArmSea& sea) {
    rule_(exit.flags == sea.flags && exit.esr == sea.esr && exit.gva.value == sea.gva,
          "KVM's words stay");
    if (!exit.walked) {
      rule_(exit.gpa.value == sea.gpa, "KVM's address stays");
      return;
    }
    rule_((sea.flags & kSeaFlagGpaValid) == 0 && syndrome::FailedWalkLevel(sea.esr).has_value() &&
              syndrome::IsFaultAddressValid(sea.esr),
          "only a failed walk is walked");
    rule_(exit.gpa.value % kPoisonGranule == 0 && exit.gpa.value - ram_start_ < ram_bytes_ &&
              exit.hva.value == kHost + (exit.gpa.value - ram_start_),
          "a walked place is memory of the VM");
  }

  // The guest is told once: by its registers, by KVM, or KVM refused and that is counted.
  void CheckTold(const SeaExit& exit, bool told_by_kvm, bool refused) {
    if (exit.injection != Injection::kExact || refused) {
      rule_(told_by_kvm || (refused && kvm_.inject_error_ != 0),
            "the guest is told, or it is said");
      return;
    }
    rule_(!told_by_kvm, "the guest is told once");
    const std::uint64_t offset = kvm_.registers_.at(RegisterId::kPc) -
                                 (kvm_.registers_.at(RegisterId::kVbarEl1) & ~0x7ffull);
    rule_(offset < 0x800 && (offset & 0x7f) == 0, "the guest is at one of its vectors");
    rule_((kvm_.registers_.at(RegisterId::kPstate) & 0x3df) == 0x3c5, "masked, at EL1h");
    rule_(syndrome::IsSynchronousError(kvm_.registers_.at(RegisterId::kEsrEl1)),
          "the guest reads a memory error");
  }

  ByteReader script_;
  const Rule rule_;
  const InjectMode mode_;
  KvmDouble kvm_;
  RecordingSinks sinks_;
  Interposer interposer_;
  std::uint64_t ram_start_ = 0;
  std::uint64_t ram_bytes_ = 0;
  std::uint64_t exits_ = 0;
};

}  // namespace seaward::vmm
