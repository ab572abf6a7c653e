// Verdicts on their way to the host. Pure.
//
// A Poison that got no verdict comes again, so what does not fit here may be lost. Not so a late
// verdict: the host took the "deferred" or "in kernel" before it for an answer. Those are told
// again in every session of this boot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "protocol/messages.h"

namespace seaward::agent {

class VerdictOutbox {
 public:
  explicit VerdictOutbox(std::size_t capacity) : capacity_(capacity) {}

  void Add(const std::vector<protocol::VerdictRecord>& records);
  // A new session stands: only late verdicts are still owed.
  void BeginSession();
  void EndSession() { waiting_.clear(); }

  bool empty() const { return waiting_.empty(); }
  // The next records, at most one frame's worth, to be followed by Sent(count).
  protocol::Verdict Next() const;
  void Sent(std::size_t count);

  std::uint64_t lost() const { return lost_; }

 private:
  void Push(const protocol::VerdictRecord& record);

  std::size_t capacity_;
  std::deque<protocol::VerdictRecord> waiting_;
  std::set<std::uint64_t> open_ids_;
  std::deque<protocol::VerdictRecord> late_;
  std::uint64_t lost_ = 0;
};

}  // namespace seaward::agent
