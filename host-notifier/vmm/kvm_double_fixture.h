// A KVM that plays what a test tells it to: descriptors, capability, exits.
#pragma once

#include <bit>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "host-notifier/vmm/interposer.h"
#include "host-notifier/vmm/kvm_abi.h"
#include "host-notifier/vmm/vcpu_registers.h"

namespace seaward::vmm {

// One KVM_RUN: what it returns, and what it leaves in kvm_run.
struct RunStep {
  int result = 0;
  int error = 0;
  std::uint32_t exit_reason = KVM_EXIT_MMIO;
  kvm::ArmSea sea{};
};

inline RunStep SeaAt(std::uint64_t gpa, std::uint64_t esr = 0x92000010) {
  return {.result = 0,
          .error = 0,
          .exit_reason = kvm::kExitArmSea,
          .sea = {kSeaFlagGpaValid, esr, 0xffff0000deadb000, gpa}};
}

class KvmDouble final : public KvmCalls {
 public:
  int Ioctl(int fd, std::uint32_t request, void* argument) noexcept override {
    switch (request) {
      case kvm::kCreateVm:
      case kvm::kCreateVcpu:
        return next_fd_;
      case kvm::kEnableCap:
        return EnableCap(fd, *static_cast<const kvm_enable_cap*>(argument));
      case kvm::kSetVcpuEvents:
        return SetEvents(fd, *static_cast<const kvm::ArmVcpuEvents*>(argument));
      case kvm::kRun:
        return Run(fd);
      case kvm::kGetOneReg:
        return GetRegister(fd, *static_cast<const kvm_one_reg*>(argument));
      case kvm::kSetOneReg:
        return SetRegister(fd, *static_cast<const kvm_one_reg*>(argument));
      case kvm::kVcpuInit:
        return 0;
      default:
        others_.push_back({fd, request});
        errno = other_error_;
        return other_result_;
    }
  }
  kvm_run* MapRun(int vcpu_fd) noexcept override {
    mapped_.insert(vcpu_fd);
    return &pages_[vcpu_fd];
  }
  void UnmapRun(kvm_run* run) noexcept override {
    for (const auto& [fd, page] : pages_)
      if (&page == run) mapped_.erase(fd);
  }
  FdIdentity Identify(int fd) noexcept override {
    ++identified_;
    const auto known = identities_.find(fd);
    return known == identities_.end() ? FdIdentity{} : known->second;
  }
  bool ReadMemory(HostVirtAddr from, std::span<std::byte> to) noexcept override {
    reads_.push_back(from.value);
    const auto known = words_.find(from.value);
    const auto word =
        known != words_.end() ? std::optional(known->second) : other_words_(from.value);
    if (!word || to.size() != sizeof *word) return false;
    std::memcpy(to.data(), &*word, to.size());
    return true;
  }
  void JudgePages(std::span<PageToReplace> pages, Look look) override {
    looks_.push_back(look);
    judge_pages_(pages, look);
  }
  std::size_t PageBytes() noexcept override { return page_bytes_; }
  int SetAside(const PageToReplace& page, std::size_t bytes) noexcept override {
    set_aside_.push_back(page.address.value);
    return really_set_aside_ ? vmm::SetAside(page, bytes) : 0;
  }
  MonoTime Now() noexcept override { return now_; }
  void Rest(std::chrono::milliseconds time) noexcept override { rests_.push_back(time); }
  void Say(LogLevel, std::string_view line) noexcept override { lines_.emplace_back(line); }

  MonoTime now_{std::chrono::seconds(42)};
  int next_fd_ = 10;  // what the next KVM_CREATE_* returns
  bool has_capability_ = true;
  int inject_error_ = 0;
  int other_result_ = 0;
  int other_error_ = 0;
  std::deque<RunStep> steps_;  // for KVM_RUN, in order; an MMIO exit when empty
  std::map<int, FdIdentity> identities_;
  std::map<RegisterId, std::uint64_t> registers_;  // of every vCPU; others do not exist
  std::set<RegisterId> unwritable_;
  std::function<std::optional<std::uint64_t>(std::uint64_t)> other_words_ = [](std::uint64_t) {
    return std::nullopt;
  };
  std::map<std::uint64_t, std::uint64_t> words_;  // guest memory by host address; the rest faults

  // What the system says about pages to replace; nothing against any of them.
  std::function<void(std::span<PageToReplace>, Look)> judge_pages_ = [](std::span<PageToReplace>,
                                                                        Look) {};
  std::size_t page_bytes_ = kPoisonGranule;
  bool really_set_aside_ = false;
  std::function<void(int vcpu)> on_run_;  // inside the next KVM_RUN

  std::vector<Look> looks_;
  std::vector<std::uint64_t> set_aside_;  // host addresses
  std::vector<int> enabled_;              // VM descriptors
  std::vector<int> injected_;             // vCPU descriptors
  std::vector<std::chrono::milliseconds> rests_;
  std::vector<std::string> lines_;
  std::vector<std::pair<int, std::uint32_t>> others_;
  std::set<int> mapped_;
  std::map<int, kvm_run> pages_;
  std::vector<std::uint64_t> reads_;  // host addresses of guest memory
  int runs_ = 0;
  int register_reads_ = 0;
  int identified_ = 0;

 private:
  int EnableCap(int fd, const kvm_enable_cap& cap) {
    if (cap.cap == kvm::kCapArmSeaToUser && !has_capability_) {
      errno = EINVAL;
      return -1;
    }
    if (cap.cap == kvm::kCapArmSeaToUser) enabled_.push_back(fd);
    return 0;
  }
  int SetEvents(int fd, const kvm::ArmVcpuEvents& events) {
    if (inject_error_ != 0) {
      errno = inject_error_;
      return -1;
    }
    if (events.ext_dabt_pending == 1 && events.serror_pending == 0) injected_.push_back(fd);
    return 0;
  }
  int GetRegister(int, const kvm_one_reg& request) {
    ++register_reads_;
    const auto found = registers_.find(RegisterId{request.id});
    if (found == registers_.end()) {
      errno = ENOENT;
      return -1;
    }
    std::memcpy(std::bit_cast<void*>(request.addr), &found->second, sizeof found->second);
    return 0;
  }
  int SetRegister(int, const kvm_one_reg& request) {
    const RegisterId id{request.id};
    if (!registers_.contains(id) || unwritable_.contains(id)) {
      errno = EINVAL;
      return -1;
    }
    std::memcpy(&registers_[id], std::bit_cast<const void*>(request.addr), 8);
    return 0;
  }
  int Run(int fd) {
    ++runs_;
    if (on_run_) std::exchange(on_run_, nullptr)(fd);
    RunStep step;
    if (!steps_.empty()) {
      step = steps_.front();
      steps_.pop_front();
    }
    kvm_run& page = pages_[fd];
    page.exit_reason = step.exit_reason;
    std::memcpy(reinterpret_cast<std::byte*>(&page) + offsetof(kvm_run, mmio), &step.sea,
                sizeof step.sea);
    if (step.result < 0) errno = step.error;
    return step.result;
  }
};

struct SinkRecord {
  std::vector<std::pair<std::uint32_t, SeaExit>> exits;
  bool offers_host_pages = false;
  // What a held vCPU meets in each slice; one that is not answered must let time pass.
  std::function<HostPage()> host_page = [] { return HostPage::kRetired; };
  bool offers_verdicts = false;
  // What a vCPU that is held for a verdict meets; not answered, it must let time pass.
  std::function<HoldEnd(std::chrono::microseconds, const volatile std::uint8_t*)> hold =
      [](auto, auto) { return HoldEnd::kVerdict; };
  int holds = 0;
  int native_fallbacks = 0;
  int failed_injections = 0;
  int rests = 0;
  int opened = 0;
  int closed = 0;
  int abandoned = 0;
  int told_results = 0;
  HealOrderTaker* orders = nullptr;  // of the last VM that got a sink
};

class RecordingSink final : public ExitSink {
 public:
  explicit RecordingSink(SinkRecord& record) : record_(record) {}
  ~RecordingSink() override { ++record_.closed; }
  void Publish(std::uint32_t vcpu, const SeaExit& exit) noexcept override {
    record_.exits.emplace_back(vcpu, exit);
  }
  bool OffersHostPages() noexcept override { return record_.offers_host_pages; }
  HostPage AwaitHostPage(std::uint32_t, std::chrono::nanoseconds) noexcept override {
    return record_.host_page();
  }
  bool OffersVerdicts() noexcept override { return record_.offers_verdicts; }
  HoldEnd HoldForVerdict(std::uint32_t, std::chrono::microseconds patience,
                         const volatile std::uint8_t* immediate_exit) noexcept override {
    ++record_.holds;
    return record_.hold(patience, immediate_exit);
  }
  void CountNativeFallback(std::uint32_t) noexcept override { ++record_.native_fallbacks; }
  void CountFailedInjection(std::uint32_t) noexcept override { ++record_.failed_injections; }
  void CountRest(std::uint32_t) noexcept override { ++record_.rests; }
  void TellHealResults() noexcept override { ++record_.told_results; }
  void AbandonInChild() noexcept override { ++record_.abandoned; }

 private:
  SinkRecord& record_;
};

class RecordingSinks final : public ExitSinkFactory {
 public:
  std::unique_ptr<ExitSink> Open(HealOrderTaker& orders) override {
    ++record_.opened;
    record_.orders = &orders;
    return fails_ ? nullptr : std::make_unique<RecordingSink>(record_);
  }
  SinkRecord record_;
  bool fails_ = false;
};

}  // namespace seaward::vmm
