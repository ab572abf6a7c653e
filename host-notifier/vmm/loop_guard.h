// Notices a vCPU that faults on the same pages again and again without getting anywhere: an abort
// on the guest's own vectors, or an injection that KVM refuses. Such a vCPU is slowed down, never
// stopped. Pure; one object per vCPU.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "host-notifier/vmm/sea_exit.h"

namespace seaward::vmm {

class LoopGuard {
 public:
  // Faults on one page in a row that may still be an application which tries again: a guest that
  // handles its aborts leaves KVM_RUN for other reasons long before.
  static constexpr std::uint32_t kFreeRepeats = 256;
  static constexpr std::chrono::milliseconds kFirstPause{1};
  // Short enough that a VMM which wants the vCPU is hardly delayed.
  static constexpr std::chrono::milliseconds kLongestPause{100};

  // How long this vCPU is to rest before it enters the guest again; 0 nearly always.
  std::chrono::milliseconds AfterFault(const SeaExit& exit);

  // The same for a guest whose abort handler itself lies in bad memory: it cannot get anywhere, so
  // that no repeat is free.
  std::chrono::milliseconds AfterBadHandler();

  // KVM_RUN returned for another reason: the guest gets on.
  void Progress() { repeats_ = 0; }

 private:
  struct Place {
    std::uint64_t page = ~std::uint64_t{0};
    std::uint64_t esr = 0;
    bool operator==(const Place&) const = default;
  };
  std::chrono::milliseconds Pause() const;

  // Vectors that fault while they handle a fault alternate between two pages; four is generous.
  std::array<Place, 4> recent_;
  std::size_t oldest_ = 0;
  std::uint32_t repeats_ = 0;
};

}  // namespace seaward::vmm
