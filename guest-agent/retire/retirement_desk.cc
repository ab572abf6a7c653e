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

void Append(std::vector<VerdictRecord>& records, const VerdictRecord& next) {
  if (records.empty() || !Extends(records.back(), next)) {
    records.push_back(next);
    return;
  }
  VerdictRecord& last = records.back();
  last.range =
      ByteRange::Make(last.range.start(), last.range.length() + next.range.length()).value();
  last.duration += next.duration;
}

// The part of [start, start + length) that lies in `asked`.
ByteRange Clip(GuestPhysAddr start, std::uint64_t length, const ByteRange& asked) {
  const std::uint64_t first = std::max(start.value, asked.start().value);
  const std::uint64_t last = std::min(start.value + (length - 1), asked.last());
  return ByteRange::Make(GuestPhysAddr{first}, last - first + 1).value();
}

}  // namespace

RetirementDesk::RetirementDesk(GuestMemory& memory, PageRetirer& retirer, const Clock& clock,
                               const RetirementLimits& limits)
    : memory_(memory),
      retirer_(retirer),
      clock_(clock),
      limits_(limits),
      book_(limits.book_capacity),
      retries_(limits.retry_initial, limits.retry_max) {}

void RetirementDesk::Restore(const ByteRange& page, const PageVerdict& verdict) {
  interrupted_.erase(page.start());
  if (!book_.Full() || book_.Find(page.start()) != nullptr) book_.Put(page, verdict);
}

void RetirementDesk::RestoreAttempt(const ByteRange& page, protocol::PageKind kind) {
  if (book_.Find(page.start()) == nullptr && interrupted_.size() < limits_.book_capacity)
    interrupted_.try_emplace(page.start(), kind);
}

bool RetirementDesk::Waits(const PoisonEntry& entry) const {
  const auto same = [&entry](const Job& job) { return SameEntry(job.entry, entry); };
  return std::any_of(fresh_.begin(), fresh_.end(), same) ||
         std::any_of(replayed_.begin(), replayed_.end(), same);
}

bool RetirementDesk::Submit(const PoisonEntry& entry) {
  if (Waits(entry)) return true;
  if (fresh_.size() + replayed_.size() >= limits_.queue_capacity) return false;
  const ByteRange pages = PagesAround(entry.range, retirer_.page_size());
  (entry.replay ? replayed_ : fresh_).push_back(Job{.entry = entry, .next = pages.start()});
  return true;
}

void RetirementDesk::Forget(const ByteRange& range) {
  const auto inside = [&range](const PoisonEntry& entry) { return range.Overlaps(entry.range); };
  const auto dropped = [&inside](const Job& job) { return inside(job.entry); };
  std::erase_if(fresh_, dropped);
  std::erase_if(replayed_, dropped);
  retries_.Forget(range);
}

RetirementProgress RetirementDesk::Work(std::size_t max_pages) {
  layout_.reset();
  RetirementProgress progress;
  std::size_t pages_left = max_pages;
  while (pages_left > 0 && !fresh_.empty()) WorkOnJob(fresh_, pages_left, progress);
  while (pages_left > 0) {
    const auto due = retries_.FirstDue(clock_.Now());
    if (!due) break;
    --pages_left;
    WorkOnRetry(*due, progress);
  }
  while (pages_left > 0 && !replayed_.empty()) WorkOnJob(replayed_, pages_left, progress);
  return progress;
}

void RetirementDesk::WorkOnJob(std::deque<Job>& queue, std::size_t& pages_left,
                               RetirementProgress& progress) {
  Job& job = queue.front();
  const std::uint64_t last = PagesAround(job.entry.range, retirer_.page_size()).last();
  while (pages_left > 0) {
    // Every step costs system calls: all count against the slice, attempt or not.
    --pages_left;
    const Fate fate = DealWith(job);
    Note(job.entry, job.next, fate, progress);
    job.deferred = job.deferred || fate.verdict.outcome == Outcome::kDeferred;
    const std::uint64_t dealt_with = job.next.value + (fate.length - 1);
    if (dealt_with >= last) {
      if (!job.deferred) progress.finished.push_back(job.entry);
      queue.pop_front();
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
    Append(progress.to_keep, record);
}

RetirementDesk::Fate RetirementDesk::DealWith(const Job& job) {
  if (auto fate = Remembered(job.next, job.entry)) return *fate;
  if (auto fate = OutsideRam(job)) return *fate;
  return AttemptPage(job.next, job.entry);
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
std::optional<RetirementDesk::Fate> RetirementDesk::OutsideRam(const Job& job) {
  const PageSize size = retirer_.page_size();
  const auto flags = memory_.FlagsOf(FrameOf(job.next, size));
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

RetirementDesk::Fate RetirementDesk::AttemptPage(GuestPhysAddr page, const PoisonEntry& entry) {
  const PageSize size = retirer_.page_size();
  if (book_.retired_bytes() + size.bytes > limits_.budget_bytes)
    return Fate{size.bytes, Refused(Outcome::kBudgetExceeded, 0)};
  const PageVerdict* known = book_.Find(page);
  if (known == nullptr && book_.Full()) return Fate{size.bytes, Refused(Outcome::kFailed, ENOSPC)};

  std::optional<protocol::PageKind> first_kind;
  if (known != nullptr) first_kind = known->kind;
  if (const auto it = interrupted_.find(page); it != interrupted_.end()) first_kind = it->second;
  interrupted_.erase(page);

  const PageVerdict verdict =
      retirer_.Retire(FrameOf(page, size), VerbFor(entry.evidence), first_kind);
  book_.Put(ByteRange::Make(page, size.bytes).value(), verdict);
  if (verdict.outcome != Outcome::kDeferred) return Fate{size.bytes, verdict};
  return Fate{size.bytes, verdict, retries_.Defer(page, entry, clock_.Now())};
}

void RetirementDesk::WorkOnRetry(GuestPhysAddr page, RetirementProgress& progress) {
  const std::vector<PoisonEntry> waiting = retries_.WaitingFor(page);
  // The worst evidence among those who wait decides the verb.
  const PoisonEntry& worst = *std::min_element(
      waiting.begin(), waiting.end(),
      [](const PoisonEntry& a, const PoisonEntry& b) { return a.evidence < b.evidence; });
  // A worse report may have settled the page since.
  const PageVerdict* known = book_.Find(page);
  const bool settled = known != nullptr && known->outcome != Outcome::kDeferred;
  const Fate fate = settled ? Fate{retirer_.page_size().bytes, *known} : AttemptPage(page, worst);
  const bool final = fate.verdict.outcome != Outcome::kDeferred;
  if (final) retries_.Remove(page);
  for (const PoisonEntry& entry : waiting) {
    Note(entry, page, fate, progress);
    if (final && !retries_.Awaited(entry)) progress.finished.push_back(entry);
  }
}

}  // namespace seaward::agent
