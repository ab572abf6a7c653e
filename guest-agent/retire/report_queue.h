// Reports that wait for their turn, first come first served. Says whether a report waits already
// without a look at each: after a reboot thousands come at once, and each is asked about. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/units.h"
#include "protocol/messages.h"

namespace seaward::agent {

class ReportQueue {
 public:
  struct Job {
    protocol::PoisonEntry entry;
    GuestPhysAddr next;     // first page not yet dealt with
    bool deferred = false;  // a page of it waits for a retry
  };

  // `first`: the page to begin with.
  void Push(const protocol::PoisonEntry& entry, GuestPhysAddr first);
  // Only while not empty().
  Job& front() { return jobs_.front(); }
  void Pop();
  // Drops the reports that touch `range`.
  void Forget(const ByteRange& range);

  bool Contains(const protocol::PoisonEntry& entry) const;
  bool empty() const { return jobs_.empty(); }
  std::size_t size() const { return jobs_.size(); }

 private:
  static constexpr std::size_t kBuckets = 4096;
  static std::size_t Bucket(const protocol::PoisonEntry& entry);

  std::deque<Job> jobs_;
  // How many of them fall into each bucket: where there is none, none is the same.
  std::array<std::uint16_t, kBuckets> counts_{};
};

}  // namespace seaward::agent
