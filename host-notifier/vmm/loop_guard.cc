#include "host-notifier/vmm/loop_guard.h"

#include <algorithm>

namespace seaward::vmm {

std::chrono::milliseconds LoopGuard::AfterFault(const SeaExit& exit) {
  const bool located = (exit.flags & kSeaFlagGpaValid) != 0;
  const std::uint64_t address = located ? exit.gpa.value : exit.gva.value;
  const Place place{.page = address & ~(kPoisonGranule - 1), .esr = exit.esr};
  if (std::ranges::find(recent_, place) == recent_.end()) {
    recent_[oldest_] = place;
    oldest_ = (oldest_ + 1) % recent_.size();
    repeats_ = 0;
    return std::chrono::milliseconds(0);
  }
  ++repeats_;
  return Pause();
}

std::chrono::milliseconds LoopGuard::AfterBadHandler() {
  repeats_ = std::max(repeats_ + 1, kFreeRepeats);
  return Pause();
}

std::chrono::milliseconds LoopGuard::Pause() const {
  if (repeats_ < kFreeRepeats) return std::chrono::milliseconds(0);
  const std::uint32_t doublings = std::min(repeats_ - kFreeRepeats, 7u);
  return std::min(kFirstPause * (1 << doublings), kLongestPause);
}

}  // namespace seaward::vmm
