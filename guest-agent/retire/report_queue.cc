#include "guest-agent/retire/report_queue.h"

#include <algorithm>
#include <bit>

#include "guest-agent/retire/retry_schedule.h"

namespace seaward::agent {

using protocol::PoisonEntry;

// Reports of a burst count their names and often their pages up: multiplied with 2^64 divided by
// the golden ratio, neighbours fall far apart (Knuth, The Art of Computer Programming 3, 6.4).
std::size_t ReportQueue::Bucket(const PoisonEntry& entry) {
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
  constexpr unsigned kShift = 64 - std::bit_width(kBuckets - 1);
  const std::uint64_t page = entry.range.start().value / kPoisonGranule;
  return static_cast<std::size_t>(((entry.id * kGolden) ^ page) * kGolden >> kShift);
}

void ReportQueue::Push(const PoisonEntry& entry, GuestPhysAddr first) {
  jobs_.push_back(Job{.entry = entry, .next = first});
  ++counts_[Bucket(entry)];
}

void ReportQueue::Pop() {
  --counts_[Bucket(jobs_.front().entry)];
  jobs_.pop_front();
}

void ReportQueue::Forget(const ByteRange& range) {
  std::erase_if(jobs_, [&](const Job& job) {
    if (!range.Overlaps(job.entry.range)) return false;
    --counts_[Bucket(job.entry)];
    return true;
  });
}

bool ReportQueue::Contains(const PoisonEntry& entry) const {
  return counts_[Bucket(entry)] != 0 &&
         std::any_of(jobs_.begin(), jobs_.end(),
                     [&entry](const Job& job) { return SameEntry(job.entry, entry); });
}

}  // namespace seaward::agent
