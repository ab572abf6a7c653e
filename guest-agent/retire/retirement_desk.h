// Deals with the ranges that the host reports: which pages they are, what is known of them already,
// what may still be spent, what is tried again later. Works in small slices so that a long range
// never keeps a new error waiting. One thread; no I/O but through PageRetirer and GuestMemory.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "guest-agent/pages/guest_memory.h"
#include "guest-agent/retire/page_retirer.h"
#include "guest-agent/retire/retry_schedule.h"
#include "guest-agent/retire/verdict_book.h"
#include "protocol/messages.h"

namespace seaward::agent {

struct RetirementLimits {
  std::uint64_t budget_bytes = std::uint64_t{64} << 20;  // retired in one boot, at most
  std::chrono::milliseconds retry_initial{std::chrono::seconds(1)};
  std::chrono::milliseconds retry_max{std::chrono::minutes(5)};
  // Ranges that wait; the host keeps at most 32 KiB of frames outstanding, which is below 1,200.
  std::size_t queue_capacity = 4096;
  // Pages remembered in one boot; 4 KiB x 65,536 is far above any sane budget.
  std::size_t book_capacity = 65536;
};

struct RetirementProgress {
  std::vector<protocol::VerdictRecord> records;  // neighbours of one fate are one record
  // Those of `records` that matter to the next boot: final, of RAM, not of predicted errors.
  std::vector<protocol::VerdictRecord> to_keep;
  std::vector<protocol::PoisonEntry> finished;  // every page of these has its final verdict
};

class RetirementDesk {
 public:
  // `memory`, `retirer` and `clock` outlive the desk.
  RetirementDesk(GuestMemory& memory, PageRetirer& retirer, const Clock& clock,
                 const RetirementLimits& limits);

  // What an earlier agent of this boot concluded.
  void Restore(const ByteRange& page, const PageVerdict& verdict);
  // What an earlier agent of this boot began and did not live to conclude.
  void RestoreAttempt(const ByteRange& page, protocol::PageKind kind);

  // False when the queue is full; the host sends again what gets no verdict. An entry that waits
  // already is taken once. New errors go before replayed ones.
  bool Submit(const protocol::PoisonEntry& entry);
  // The host no longer asks for these: waiting entries and retries inside of them are dropped.
  void Forget(const ByteRange& range);
  // Reports without a verdict.
  bool HasQueued() const { return !fresh_.empty() || !replayed_.empty(); }
  // The same, or a deferred page is due.
  bool HasWork() const { return HasQueued() || retries_.FirstDue(clock_.Now()).has_value(); }
  // Attempts at most `max_pages` pages.
  RetirementProgress Work(std::size_t max_pages);
  // When a deferred page is due.
  std::optional<MonoTime> NextRetry() const { return retries_.NextDue(); }

  std::uint64_t retired_bytes() const { return book_.retired_bytes(); }
  std::uint64_t budget_bytes() const { return limits_.budget_bytes; }

 private:
  struct Job {
    protocol::PoisonEntry entry;
    GuestPhysAddr next;     // first page not yet dealt with
    bool deferred = false;  // a page of it waits for a retry
  };
  // What became of [start, start + length), whole pages.
  struct Fate {
    std::uint64_t length;
    PageVerdict verdict;
    std::chrono::milliseconds next_try{0};
  };

  static void Note(const protocol::PoisonEntry& entry, GuestPhysAddr start, const Fate& fate,
                   RetirementProgress& progress);
  bool Waits(const protocol::PoisonEntry& entry) const;
  void WorkOnJob(std::deque<Job>& queue, std::size_t& pages_left, RetirementProgress& progress);
  void WorkOnRetry(GuestPhysAddr page, RetirementProgress& progress);
  Fate DealWith(const Job& job);
  std::optional<Fate> Remembered(GuestPhysAddr page, const protocol::PoisonEntry& entry);
  std::optional<Fate> OutsideRam(const Job& job);
  Fate AttemptPage(GuestPhysAddr page, const protocol::PoisonEntry& entry);
  PageVerdict Refused(protocol::Outcome outcome, int sys_errno) const;
  const Result<MemoryLayout>& Layout();

  GuestMemory& memory_;
  PageRetirer& retirer_;
  const Clock& clock_;
  RetirementLimits limits_;
  VerdictBook book_;
  std::map<GuestPhysAddr, protocol::PageKind> interrupted_;
  std::deque<Job> fresh_;
  std::deque<Job> replayed_;
  RetrySchedule retries_;
  std::optional<Result<MemoryLayout>> layout_;  // as read in this slice
};

}  // namespace seaward::agent
