#include "guest-agent/retire/retirement_desk.h"

#include <algorithm>
#include <cerrno>

namespace seaward::agent {
namespace {

using protocol::Outcome;
using protocol::PageKind;
using protocol::PoisonEntry;
using protocol::VerdictRecord;

bool Extends(const VerdictRecord& last, const VerdictRecord& next) {
  return last.id == next.id && last.range.end() == next.range.start().value &&
         last.outcome == next.outcome && last.kind == next.kind && last.stage == next.stage &&
         last.sys_errno == next.sys_errno && last.next_try == next.next_try;
}

void Extend(VerdictRecord& last, const VerdictRecord& next) {
  last.range =
      ByteRange::Make(last.range.start(), last.range.length() + next.range.length()).value();
  last.duration += next.duration;
}

void Append(std::vector<VerdictRecord>& records, const VerdictRecord& next) {
  if (records.empty() || !Extends(records.back(), next)) {
    records.push_back(next);
    return;
  }
  Extend(records.back(), next);
}

// One entry has one evidence.
void AppendKept(std::vector<KeptVerdict>& kept, const KeptVerdict& next) {
  if (kept.empty() || !Extends(kept.back().record, next.record)) {
    kept.push_back(next);
    return;
  }
  Extend(kept.back().record, next.record);
}

// The part of [start, start + length) that lies in `asked`.
ByteRange Clip(GuestPhysAddr start, std::uint64_t length, const ByteRange& asked) {
  const std::uint64_t first = std::max(start.value, asked.start().value);
  const std::uint64_t last = std::min(start.value + (length - 1), asked.last());
  return ByteRange::Make(GuestPhysAddr{first}, last - first + 1).value();
}

}  // namespace

RetirementDesk::RetirementDesk(GuestMemory& memory, PageRetirer& retirer, const Clock& clock,
                               const RetirementLimits& limits, std::optional<NumaNodes> nodes)
    : memory_(memory),
      retirer_(retirer),
      clock_(clock),
      limits_(limits),
      budget_(limits.budget_bytes, limits.node_percent, std::move(nodes)),
      meter_(limits.rate, clock.Now()),
      book_(limits.book_capacity),
      retries_(limits.retry_initial, limits.retry_max),
      watch_(limits) {}

bool RetirementDesk::Restore(const ByteRange& page, const PageVerdict& verdict) {
  const GuestPhysAddr start = page.start();
  interrupted_.erase(start);
  if (OutOfUse(verdict.outcome) && !StillRetired(start)) {
    Unlearn(start);
    return false;
  }
  if (book_.Full() && book_.Find(start) == nullptr) return true;
  Conclude(start, verdict);
  if (verdict.outcome != Outcome::kInKernel) return true;
  if (const auto seen = LookAt(memory_, FrameOf(start, retirer_.page_size())))
    watch_.Begin(start, *seen, std::nullopt, clock_.Now());
  return true;
}

void RetirementDesk::RestoreAttempt(const ByteRange& page, protocol::PageKind kind) {
  if (book_.Find(page.start()) == nullptr && interrupted_.size() < limits_.book_capacity)
    interrupted_.try_emplace(page.start(), kind);
}

bool RetirementDesk::Submit(const PoisonEntry& entry) {
  if (fresh_.Contains(entry) || replayed_.Contains(entry)) return true;
  if (fresh_.size() + replayed_.size() >= limits_.queue_capacity) return false;
  const ByteRange pages = PagesAround(entry.range, retirer_.page_size());
  (entry.replay ? replayed_ : fresh_).Push(entry, pages.start());
  return true;
}

void RetirementDesk::Forget(const ByteRange& range) {
  fresh_.Forget(range);
  replayed_.Forget(range);
  retries_.Forget(range);
  watch_.Forget(PagesAround(range, retirer_.page_size()));
}

bool RetirementDesk::AnyDue(MonoTime now) const {
  return HasQueued() || verify_next_ || retries_.FirstDue(now) || watch_.FirstDue(now);
}

bool RetirementDesk::HasWork() const {
  const MonoTime now = clock_.Now();
  return AnyDue(now) && meter_.Available(now) > 0;
}

std::optional<MonoTime> RetirementDesk::NextDue() const {
  const MonoTime now = clock_.Now();
  if (AnyDue(now)) return meter_.NextStep(now);
  std::optional<MonoTime> next = retries_.NextDue();
  const auto look = watch_.NextDue();
  if (look && (!next || *look < *next)) next = look;
  return next;
}

RetirementProgress RetirementDesk::Work(std::size_t max_pages) {
  layout_.reset();
  RetirementProgress progress;
  const std::size_t steps = std::min<std::size_t>(max_pages, meter_.Available(clock_.Now()));
  std::size_t pages_left = steps;
  while (pages_left > 0 && !fresh_.empty()) WorkOnJob(fresh_, pages_left, progress);
  while (pages_left > 0) {
    const MonoTime now = clock_.Now();
    if (const auto retry = retries_.FirstDue(now)) {
      WorkOnRetry(*retry, progress);
    } else if (const auto look = watch_.FirstDue(now)) {
      WorkOnWatch(*look, progress);
    } else if (verify_next_) {
      VerifyNext(progress);
    } else {
      break;
    }
    --pages_left;
  }
  while (pages_left > 0 && !replayed_.empty()) WorkOnJob(replayed_, pages_left, progress);
  meter_.Take(static_cast<std::uint32_t>(steps - pages_left), clock_.Now());
  return progress;
}

std::vector<ByteRange> RetirementDesk::HardPages() const {
  std::vector<ByteRange> pages;
  for (const GuestPhysAddr start : book_.HardPages())
    if (const auto page = ByteRange::Make(start, retirer_.page_size().bytes))
      pages.push_back(*page);
  return pages;
}

void RetirementDesk::WorkOnJob(ReportQueue& queue, std::size_t& pages_left,
                               RetirementProgress& progress) {
  Job& job = queue.front();
  const std::uint64_t last = PagesAround(job.entry.range, retirer_.page_size()).last();
  while (pages_left > 0) {
    // Every step costs system calls: all count against the slice, attempt or not.
    --pages_left;
    const Fate fate = DealWith(job, progress);
    Note(job.entry, job.next, fate, progress);
    job.deferred = job.deferred || fate.verdict.outcome == Outcome::kDeferred;
    const std::uint64_t dealt_with = job.next.value + (fate.length - 1);
    if (dealt_with >= last) {
      if (!job.deferred) progress.finished.push_back(job.entry);
      queue.Pop();
      return;
    }
    job.next = GuestPhysAddr{dealt_with + 1};
  }
}

void RetirementDesk::Note(const PoisonEntry& entry, GuestPhysAddr start, const Fate& fate,
                          RetirementProgress& progress) {
  const VerdictRecord record{.id = entry.id,
                             .range = Clip(start, fate.length, entry.range),
                             .outcome = fate.verdict.outcome,
                             .kind = fate.verdict.kind,
                             .stage = fate.verdict.stage,
                             .sys_errno = fate.verdict.sys_errno,
                             .next_try = fate.next_try,
                             .duration = fate.verdict.duration};
  Append(progress.records, record);
  const bool passing = record.outcome == Outcome::kDeferred || record.outcome == Outcome::kNotRam;
  if (!passing && entry.evidence != protocol::Evidence::kPredicted)
    AppendKept(progress.to_keep, {record, entry.evidence});
}

RetirementDesk::Fate RetirementDesk::DealWith(const Job& job, RetirementProgress& progress) {
  if (auto fate = Remembered(job.next, job.entry)) return *fate;
  const Seen seen = See(job.next);
  if (auto fate = OutsideRam(job, seen)) return *fate;
  return AttemptPage(job.next, job.entry, seen, progress);
}

// A repeated entry gets the first verdict again. What a soft attempt did not achieve is taken up
// again, hard, when the evidence has become worse.
std::optional<RetirementDesk::Fate> RetirementDesk::Remembered(GuestPhysAddr page,
                                                               const PoisonEntry& entry) {
  const PageVerdict* known = book_.Find(page);
  if (known == nullptr) return std::nullopt;
  const bool worse = known->verb == Verb::kSoft && VerbFor(entry.evidence) == Verb::kHard;
  const bool open = known->outcome == Outcome::kDeferred || known->outcome == Outcome::kFailed;
  if (open && worse) return std::nullopt;
  const std::uint64_t length = retirer_.page_size().bytes;
  if (known->outcome == Outcome::kInKernel && watch_.Watched(page)) watch_.Join(page, entry);
  if (known->outcome != Outcome::kDeferred) return Fate{length, *known};
  // Restored from an earlier agent of this boot: nobody has scheduled it yet.
  if (!retries_.Scheduled(page)) return std::nullopt;
  retries_.Join(page, entry);
  return Fate{length, *known, retries_.Left(page, clock_.Now())};
}

PageVerdict RetirementDesk::Refused(Outcome outcome, int sys_errno) const {
  return PageVerdict{.outcome = outcome,
                     .stage = retirer_.stage(),
                     .sys_errno = static_cast<std::uint16_t>(sys_errno)};
}

const Result<MemoryLayout>& RetirementDesk::Layout() {
  if (!layout_) layout_.emplace(memory_.ReadLayout());
  return *layout_;
}

// The layout is read only for a page whose flags leave a doubt: one in plain use is System RAM. A
// frame without a page shows kNoPage or, on Linux 7.3, no flag at all, as some kernel pages do.
std::optional<RetirementDesk::Fate> RetirementDesk::OutsideRam(const Job& job, const Seen& flags) {
  const PageSize size = retirer_.page_size();
  const bool reserved = flags && flags->Has(PageFlag::kReserved);
  const PageKind kind = flags ? KindOf(*flags) : PageKind::kUnknown;
  const bool in_doubt = reserved || kind == PageKind::kUnknown || kind == PageKind::kOffline ||
                        kind == PageKind::kHwpoison;
  if (!in_doubt) return std::nullopt;

  const Result<MemoryLayout>& layout = Layout();
  if (!layout) {
    if (kind != PageKind::kOffline) return std::nullopt;
    return Fate{size.bytes, Refused(Outcome::kFailed, EACCES)};
  }
  const ByteRange pages = PagesAround(job.entry.range, size);
  const ByteRange rest = Clip(job.next, pages.last() - job.next.value + 1, pages);
  const LayoutPiece piece = layout->Split(rest).front();
  if (piece.role == MemoryRole::kSystemRam) return std::nullopt;
  // A border of roles inside of a page: the page is the unit that the kernel manages.
  const ByteRange whole = PagesAround(piece.range, size);
  // Withheld RAM has pages, all of them reserved; a device's window has none.
  const bool withheld = piece.role == MemoryRole::kWithheld && (reserved || !flags);
  PageVerdict verdict = Refused(withheld ? Outcome::kExcludedBeforeBoot : Outcome::kNotRam, 0);
  verdict.kind = withheld ? PageKind::kReserved : PageKind::kOffline;
  return Fate{whole.length(), verdict};
}

std::optional<HugePage> RetirementDesk::HugePageAround(GuestPhysAddr page, const Seen& seen) {
  if (limits_.huge_sizes.empty() || !seen || !seen->Has(PageFlag::kHugetlb)) return std::nullopt;
  const PageSize size = retirer_.page_size();
  return HugePageAt(memory_, FrameOf(page, size), size, limits_.huge_sizes);
}

std::optional<RetirementDesk::Fate> RetirementDesk::Forbidden(GuestPhysAddr page,
                                                              const PoisonEntry& entry,
                                                              const Seen& seen,
                                                              const std::optional<HugePage>& huge) {
  const PageSize size = retirer_.page_size();
  // A page that only moves takes nothing away from who uses it.
  const bool costly = huge && huge->mapped && VerbFor(entry.evidence) == Verb::kHard;
  const HugetlbAction action = costly ? limits_.hugetlb : HugetlbAction::kRetire;
  const bool reports = limits_.account_only || action == HugetlbAction::kReport;
  if (!reports && action == HugetlbAction::kRetire) return std::nullopt;
  PageVerdict verdict = Refused(reports ? Outcome::kFailed : Outcome::kDeferred, EPERM);
  if (const auto flags = LookAt(memory_, FrameOf(page, size), seen)) verdict.kind = KindOf(*flags);
  if (reports) return Fate{size.bytes, verdict};
  book_.Put(page, verdict);
  return Fate{size.bytes, verdict, retries_.Defer(page, entry, clock_.Now())};
}

RetirementDesk::Fate RetirementDesk::AttemptPage(GuestPhysAddr page, const PoisonEntry& entry,
                                                 const Seen& seen, RetirementProgress& progress) {
  const PageSize size = retirer_.page_size();
  const PageVerdict* known = book_.Find(page);
  if (known == nullptr && book_.Full()) return Fate{size.bytes, Refused(Outcome::kFailed, ENOSPC)};
  const auto huge = HugePageAround(page, seen);
  const auto note = [&](const Fate& fate) {
    if (huge)
      progress.huge.push_back(
          {ByteRange::Make(page, size.bytes).value(), *huge, fate.verdict.outcome});
    return fate;
  };
  if (const auto fate = Forbidden(page, entry, seen, huge)) return note(*fate);
  if (!budget_.Allows(page, size.bytes))
    return Fate{size.bytes, Refused(Outcome::kBudgetExceeded, 0)};

  std::optional<protocol::PageKind> first_kind;
  // EPERM: nothing was attempted yet.
  if (known != nullptr && known->sys_errno != EPERM) first_kind = known->kind;
  if (const auto it = interrupted_.find(page); it != interrupted_.end()) first_kind = it->second;
  interrupted_.erase(page);

  const PageFrame frame = FrameOf(page, size);
  const PageVerdict verdict =
      retirer_.Retire(frame, VerbFor(entry.evidence), LookAt(memory_, frame, seen), first_kind);
  Conclude(page, verdict);
  const bool taken = verdict.outcome == Outcome::kRetired && verdict.verb == Verb::kHard;
  if (taken && MayBeSomebodys(verdict.kind) && entry.id != 0) {
    progress.lost.push_back({entry.id, ByteRange::Make(page, size.bytes).value(),
                             huge && huge->mapped ? huge->range.length() : size.bytes,
                             verdict.cgroup});
  }
  if (verdict.outcome == Outcome::kInKernel) {
    if (const auto left = LookAt(memory_, frame)) watch_.Begin(page, *left, entry, clock_.Now());
  }
  if (verdict.outcome != Outcome::kDeferred) return note(Fate{size.bytes, verdict});
  return note(Fate{size.bytes, verdict, retries_.Defer(page, entry, clock_.Now())});
}

void RetirementDesk::Conclude(GuestPhysAddr page, const PageVerdict& verdict) {
  const std::uint64_t length = retirer_.page_size().bytes;
  Unlearn(page);
  book_.Put(page, verdict);
  if (OutOfUse(verdict.outcome)) budget_.Spend(page, length);
}

void RetirementDesk::Unlearn(GuestPhysAddr page) {
  const PageVerdict* known = book_.Find(page);
  if (known == nullptr) return;
  if (OutOfUse(known->outcome)) budget_.GiveBack(page, retirer_.page_size().bytes);
  book_.Forget(page);
}

}  // namespace seaward::agent
