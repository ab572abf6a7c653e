// Pages whose attempt failed for now, when each is due again, and which reports wait for it. Pure.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "protocol/messages.h"

namespace seaward::agent {

class RetrySchedule {
 public:
  RetrySchedule(std::chrono::milliseconds initial, std::chrono::milliseconds max)
      : initial_(initial), max_(max) {}

  // The page failed (again): the delay until the next attempt starts at `initial` and doubles.
  std::chrono::milliseconds Defer(GuestPhysAddr page, const protocol::PoisonEntry& entry,
                                  MonoTime now);
  // The same with nobody who waits, or with those who did.
  std::chrono::milliseconds Postpone(GuestPhysAddr page, MonoTime now);
  // `entry` too waits for the page, which must be scheduled.
  void Join(GuestPhysAddr page, const protocol::PoisonEntry& entry);
  void Remove(GuestPhysAddr page) { retries_.erase(page); }
  // Drops the reports that touch `range`, and the pages for which nobody waits then.
  void Forget(const ByteRange& range);

  bool Scheduled(GuestPhysAddr page) const { return retries_.contains(page); }
  bool Awaited(const protocol::PoisonEntry& entry) const;
  // Empty when the page is not scheduled. A page is waited for by at most 16 reports; more than
  // these ask again by themselves.
  std::vector<protocol::PoisonEntry> WaitingFor(GuestPhysAddr page) const;
  std::chrono::milliseconds Left(GuestPhysAddr page, MonoTime now) const;
  std::optional<GuestPhysAddr> FirstDue(MonoTime now) const;
  std::optional<MonoTime> NextDue() const;

 private:
  struct Retry {
    std::vector<protocol::PoisonEntry> waiting;
    std::chrono::milliseconds delay{0};
    MonoTime due;
  };
  std::chrono::milliseconds initial_;
  std::chrono::milliseconds max_;
  std::map<GuestPhysAddr, Retry> retries_;
};

// Whether two reports are one sent twice.
bool SameEntry(const protocol::PoisonEntry& a, const protocol::PoisonEntry& b);

}  // namespace seaward::agent
