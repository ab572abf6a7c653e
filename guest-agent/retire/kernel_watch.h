// Pages that the kernel itself used when they were to be retired: looked at again and again, ever
// more rarely, until they come out of its hands. Pure.
#pragma once

#include <map>
#include <optional>

#include "guest-agent/pages/page_flags.h"
#include "guest-agent/retire/retirement_limits.h"
#include "guest-agent/retire/retry_schedule.h"

namespace seaward::agent {

// What a look at a watched page says.
enum class Sighting {
  kStillUsed,
  // Flagged while the kernel used it as a single page, and now used for nothing: Linux gives no
  // flagged single page back to its free list.
  kLeft,
  // Neither used nor flagged: an attempt can be made as on any other page.
  kFree,
};

class KernelWatch {
 public:
  explicit KernelWatch(const RetirementLimits& limits)
      : capacity_(limits.watch_capacity), looks_(limits.watch_initial, limits.watch_max) {}

  // `seen`: what the page is used for just now. `entry`: who asked, when that is known. A page
  // without a flag that names the kernel's use (its image, an unnamed allocation) is not watched:
  // nothing would tell when it is over. False: not watched.
  bool Begin(GuestPhysAddr page, PageFlags seen, const std::optional<protocol::PoisonEntry>& entry,
             MonoTime now);
  void Join(GuestPhysAddr page, const protocol::PoisonEntry& entry) { looks_.Join(page, entry); }
  // A look at a page that was due. kStillUsed: it is due again later.
  Sighting Look(GuestPhysAddr page, PageFlags seen, MonoTime now);
  void End(GuestPhysAddr page);
  void Forget(const ByteRange& range);

  bool Watched(GuestPhysAddr page) const { return single_.contains(page); }
  std::vector<protocol::PoisonEntry> WaitingFor(GuestPhysAddr page) const {
    return looks_.WaitingFor(page);
  }
  std::optional<GuestPhysAddr> FirstDue(MonoTime now) const { return looks_.FirstDue(now); }
  std::optional<MonoTime> NextDue() const { return looks_.NextDue(); }
  std::size_t size() const { return single_.size(); }

 private:
  std::size_t capacity_;
  RetrySchedule looks_;
  std::map<GuestPhysAddr, bool> single_;  // whether the kernel used it as a page of its own
};

}  // namespace seaward::agent
