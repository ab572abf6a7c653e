// A VMM whose guest memory is real memory of the test, and a notifier that gives heal orders.
#pragma once

#include <sys/mman.h>

#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "host-notifier/vmm/vmm_fixture.h"

namespace seaward::vmm {

class HealedVmm : public InterposedVmm {
 protected:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kPages = 8;
  static constexpr std::size_t kBytes = kPages * kPage;
  static constexpr char kContent = 0x5a;
  static constexpr int kVm = 10;
  static constexpr int kVcpu = 11;

  HealedVmm() {
    kvm_.really_set_aside_ = true;
    kvm_.judge_pages_ = [this](std::span<PageToReplace> pages, Look look) {
      JudgePages(pages, look, proc_self_);
    };
  }
  ~HealedVmm() override {
    if (memory_ != nullptr) ::munmap(memory_, kBytes);
  }

  // A VM on descriptors 10 and 11 that has run, with this memory at kGuestRam.
  void StartVmOn(void* memory) {
    ASSERT_NE(memory, MAP_FAILED);
    memory_ = static_cast<char*>(memory);
    std::memset(memory_, kContent, kBytes);
    Load();
    CreateVm(kVm);
    CreateVcpu(kVm, 0, kVcpu);
    InitVcpu(kVcpu);
    SetRam(kBytes);
    Run(kVcpu);
    ASSERT_NE(sink().orders, nullptr);
  }
  void StartVmOnItsOwnMemory() {
    StartVmOn(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  void SetRam(std::uint64_t bytes) {
    kvm::MemoryRegion region{.slot = 0,
                             .flags = 0,
                             .guest_phys_addr = kGuestRam,
                             .memory_size = bytes,
                             .userspace_addr = std::bit_cast<std::uintptr_t>(memory_)};
    interposer_->Ioctl(kVm, kvm::kSetUserMemoryRegion, &region);
  }
  HealOrder OrderFor(std::size_t page, HealWhen when = HealWhen::kNow) const {
    return {page + 1, GuestPhysAddr{kGuestRam + page * kPage},
            HostVirtAddr{std::bit_cast<std::uintptr_t>(memory_ + page * kPage)}, when};
  }
  HealResult Order(const HealOrder& order) {
    const HealAnswer answer = sink().orders->Take(order);
    EXPECT_EQ(answer.id, order.id);
    return answer.result;
  }
  HealResult OrderNow(std::size_t page) { return Order(OrderFor(page)); }
  // Whether the guest's page is all zeros; anything else must be what it was.
  bool IsFresh(std::size_t page) const {
    const char* const bytes = memory_ + page * kPage;
    const bool fresh = bytes[0] == 0;
    for (std::size_t i = 0; i < kPage; ++i) EXPECT_EQ(bytes[i], fresh ? 0 : kContent) << page;
    return fresh;
  }
  std::string FreshPages() const {
    std::string numbers;
    for (std::size_t page = 0; page < kPages; ++page)
      if (IsFresh(page)) numbers += std::to_string(page);
    return numbers;
  }

  char* memory_ = nullptr;
  std::string proc_self_ = "/proc/self";
};

}  // namespace seaward::vmm
