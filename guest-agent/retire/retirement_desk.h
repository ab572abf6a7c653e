// Deals with the ranges that the host reports: which pages they are, what is known of them already,
// what may still be spent, what is tried again later. Works in small slices so that a long range
// never keeps a new error waiting. One thread; no I/O but through PageRetirer and GuestMemory.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "guest-agent/pages/guest_memory.h"
#include "guest-agent/pages/huge_page.h"
#include "guest-agent/retire/attempt_meter.h"
#include "guest-agent/retire/kernel_watch.h"
#include "guest-agent/retire/page_retirer.h"
#include "guest-agent/retire/report_queue.h"
#include "guest-agent/retire/retirement_budget.h"
#include "guest-agent/retire/retirement_limits.h"
#include "guest-agent/retire/retry_schedule.h"
#include "guest-agent/retire/verdict_book.h"
#include "protocol/messages.h"

namespace seaward::agent {

// A verdict that matters to the next boot, and why its page was retired.
struct KeptVerdict {
  protocol::VerdictRecord record;
  protocol::Evidence evidence = protocol::Evidence::kLatent;
};

struct RetirementProgress {
  std::vector<protocol::VerdictRecord> records;  // neighbours of one fate are one record
  // Those of `records` that matter to the next boot: final, of RAM, not of predicted errors.
  std::vector<KeptVerdict> to_keep;
  std::vector<protocol::PoisonEntry> finished;  // every page of these has its final verdict
  // Pages whose final verdict of this boot is not true any more, and by which report the host knows
  // them is not known here: it has to be asked anew.
  std::vector<ByteRange> outdated;
  // Pages that the kernel had taken into use again, now out of use again.
  std::vector<ByteRange> restored;
  // Pages that processes may have lost by a hard attempt of just now.
  struct LostPage {
    std::uint64_t id;  // of the report
    ByteRange page;
    std::uint64_t bytes;  // with all that went with it
    std::uint64_t cgroup;
  };
  std::vector<LostPage> lost;
  // Hugetlb pages that were met, and what was done: a page of them costs all of it.
  struct HugeLoss {
    ByteRange page;
    HugePage huge;
    protocol::Outcome outcome;
  };
  std::vector<HugeLoss> huge;
};

class RetirementDesk {
 public:
  // `memory`, `retirer` and `clock` outlive the desk.
  RetirementDesk(GuestMemory& memory, PageRetirer& retirer, const Clock& clock,
                 const RetirementLimits& limits, std::optional<NumaNodes> nodes = std::nullopt);

  // What an earlier agent of this boot concluded. False: the kernel's state of now says otherwise
  // (the memory was taken away and given back, the machine was put back to an earlier moment), so
  // that it is forgotten.
  bool Restore(const ByteRange& page, const PageVerdict& verdict);
  // What an earlier agent of this boot began and did not live to conclude.
  void RestoreAttempt(const ByteRange& page, protocol::PageKind kind);

  // False when the queue is full; the host sends again what gets no verdict. An entry that waits
  // already is taken once. New errors go before replayed ones.
  bool Submit(const protocol::PoisonEntry& entry);
  // The host no longer asks for these: waiting entries and retries inside of them are dropped.
  void Forget(const ByteRange& range);
  // Something happened after which the kernel may use retired pages again: look at all of them, in
  // slices, and retire them anew.
  void Reverify();
  // With the memory that the machine has now.
  void MemoryChanged(std::uint64_t budget_bytes, std::optional<NumaNodes> nodes);

  // Reports without a verdict.
  bool HasQueued() const { return !fresh_.empty() || !replayed_.empty(); }
  // The same, or a page is due to be tried or looked at; and it may be done now.
  bool HasWork() const;
  // At most `max_pages` pages.
  RetirementProgress Work(std::size_t max_pages);
  // When there will be work without further news.
  std::optional<MonoTime> NextDue() const;

  std::uint64_t retired_bytes() const { return budget_.spent(); }
  std::uint64_t budget_bytes() const { return budget_.bytes(); }
  std::size_t watched_pages() const { return watch_.size(); }
  // Pages that this boot attempted for errors that a next boot must know, too.
  std::vector<ByteRange> HardPages() const;

 private:
  using Job = ReportQueue::Job;
  // FlagsOf the page, as this step saw it.
  using Seen = Result<PageFlags>;
  // What became of [start, start + length), whole pages.
  struct Fate {
    std::uint64_t length;
    PageVerdict verdict;
    std::chrono::milliseconds next_try{0};
  };

  static void Note(const protocol::PoisonEntry& entry, GuestPhysAddr start, const Fate& fate,
                   RetirementProgress& progress);
  void WorkOnJob(ReportQueue& queue, std::size_t& pages_left, RetirementProgress& progress);
  void WorkOnRetry(GuestPhysAddr page, RetirementProgress& progress);
  void WorkOnWatch(GuestPhysAddr page, RetirementProgress& progress);
  void VerifyNext(RetirementProgress& progress);
  bool StillRetired(GuestPhysAddr page);
  bool AnyDue(MonoTime now) const;
  Fate DealWith(const Job& job, RetirementProgress& progress);
  std::optional<Fate> Remembered(GuestPhysAddr page, const protocol::PoisonEntry& entry);
  std::optional<Fate> OutsideRam(const Job& job, const Seen& seen);
  // What the operator does not want attempted.
  std::optional<Fate> Forbidden(GuestPhysAddr page, const protocol::PoisonEntry& entry,
                                const Seen& seen, const std::optional<HugePage>& huge);
  std::optional<HugePage> HugePageAround(GuestPhysAddr page, const Seen& seen);
  Seen See(GuestPhysAddr page) { return memory_.FlagsOf(FrameOf(page, retirer_.page_size())); }
  Fate AttemptPage(GuestPhysAddr page, const protocol::PoisonEntry& entry, const Seen& seen,
                   RetirementProgress& progress);
  void Conclude(GuestPhysAddr page, const PageVerdict& verdict);
  void Unlearn(GuestPhysAddr page);
  PageVerdict Refused(protocol::Outcome outcome, int sys_errno) const;
  const Result<MemoryLayout>& Layout();

  GuestMemory& memory_;
  PageRetirer& retirer_;
  const Clock& clock_;
  RetirementLimits limits_;
  RetirementBudget budget_;
  AttemptMeter meter_;
  VerdictBook book_;
  std::map<GuestPhysAddr, protocol::PageKind> interrupted_;
  ReportQueue fresh_;
  ReportQueue replayed_;
  RetrySchedule retries_;
  KernelWatch watch_;
  std::optional<GuestPhysAddr> verify_next_;    // the first page that Reverify has not looked at
  std::optional<Result<MemoryLayout>> layout_;  // as read in this slice
};

}  // namespace seaward::agent
