#include "guest-agent/session/verdict_outbox.h"

#include <algorithm>

#include "protocol/format.h"

namespace seaward::agent {

using protocol::Outcome;
using protocol::VerdictRecord;

void VerdictOutbox::Push(const VerdictRecord& record) {
  if (waiting_.size() < capacity_) {
    waiting_.push_back(record);
  } else {
    ++lost_;
  }
}

void VerdictOutbox::Add(const std::vector<VerdictRecord>& records) {
  for (const VerdictRecord& record : records) {
    Push(record);
    if (record.outcome != Outcome::kDeferred && open_ids_.contains(record.id)) {
      late_.push_back(record);
      if (late_.size() > capacity_) late_.pop_front();
    }
    // A page of the kernel's may leave its hands.
    const bool open = record.outcome == Outcome::kDeferred || record.outcome == Outcome::kInKernel;
    if (open && open_ids_.size() < capacity_) open_ids_.insert(record.id);
  }
}

void VerdictOutbox::BeginSession() {
  waiting_.clear();
  for (const VerdictRecord& record : late_) Push(record);
}

protocol::Verdict VerdictOutbox::Next() const {
  const std::size_t count = std::min(waiting_.size(), protocol::kMaxVerdictRecords);
  return protocol::Verdict{
      {waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count)}};
}

void VerdictOutbox::Sent(std::size_t count) {
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace seaward::agent
