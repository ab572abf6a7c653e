// Frames that this notifier took away from the host. The host's kernel tells of each, through its
// tracepoint and to QEMU, as of any other that it finds bad: that is no news.
//
// Any thread: frames are retired on the ledger thread, and heard of on the loop's.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "base/clock.h"
#include "base/units.h"
#include "base/uuid.h"

namespace seaward {

class RetiredFrames {
 public:
  // Before the kernel is asked: what it says may come sooner than its answer.
  void Add(PageFrame frame, const Uuid& vm, MonoTime now) {
    const std::lock_guard lock(mutex_);
    frames_.insert(frame);
    last_.insert_or_assign(vm, now);
  }
  // From the record of earlier notifiers of this host boot.
  void Add(PageFrame frame) {
    const std::lock_guard lock(mutex_);
    frames_.insert(frame);
  }
  // For ever: a frame that was retired is in nobody's use until the host boots.
  bool Contains(PageFrame frame) const {
    const std::lock_guard lock(mutex_);
    return frames_.contains(frame);
  }
  // When the last frame of this VM was.
  std::optional<MonoTime> LastOf(const Uuid& vm) const {
    const std::lock_guard lock(mutex_);
    const auto found = last_.find(vm);
    return found == last_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  mutable std::mutex mutex_;
  std::set<PageFrame> frames_;
  std::map<Uuid, MonoTime> last_;
};

}  // namespace seaward
