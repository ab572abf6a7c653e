// The half of RetirementDesk that comes back to a page: deferred ones, those that the kernel used,
// and those that were retired and may not be any more.
#include <algorithm>

#include "guest-agent/retire/retirement_desk.h"

namespace seaward::agent {

using protocol::Outcome;
using protocol::PoisonEntry;

void RetirementDesk::WorkOnRetry(GuestPhysAddr page, RetirementProgress& progress) {
  const std::vector<PoisonEntry> waiting = retries_.WaitingFor(page);
  // The worst evidence among those who wait decides the verb.
  const PoisonEntry& worst = *std::min_element(
      waiting.begin(), waiting.end(),
      [](const PoisonEntry& a, const PoisonEntry& b) { return a.evidence < b.evidence; });
  // A worse report may have settled the page since.
  const PageVerdict* known = book_.Find(page);
  const bool settled = known != nullptr && known->outcome != Outcome::kDeferred;
  const Fate fate = settled ? Fate{retirer_.page_size().bytes, *known}
                            : AttemptPage(page, worst, See(page), progress);
  const bool final = fate.verdict.outcome != Outcome::kDeferred;
  if (final) retries_.Remove(page);
  for (const PoisonEntry& entry : waiting) {
    Note(entry, page, fate, progress);
    if (final && !retries_.Awaited(entry)) progress.finished.push_back(entry);
  }
}

void RetirementDesk::WorkOnWatch(GuestPhysAddr page, RetirementProgress& progress) {
  const PageSize size = retirer_.page_size();
  const auto seen = LookAt(memory_, FrameOf(page, size));
  const PageVerdict* known = book_.Find(page);
  if (!seen || known == nullptr || known->outcome != Outcome::kInKernel) {
    watch_.End(page);
    return;
  }
  const Sighting sighting = watch_.Look(page, *seen, clock_.Now());
  if (sighting == Sighting::kStillUsed) return;
  const std::vector<PoisonEntry> waiting = watch_.WaitingFor(page);
  PageVerdict verdict = *known;
  watch_.End(page);
  Fate fate{size.bytes, verdict};
  if (sighting == Sighting::kLeft) {
    fate.verdict.outcome = Outcome::kRetired;
    fate.verdict.stage = retirer_.stage();
    retirer_.Record(page, fate.verdict);
    Conclude(page, fate.verdict);
  } else if (!waiting.empty()) {
    // Of the attempt that failed nothing is left to go by.
    Unlearn(page);
    fate = AttemptPage(page, waiting.front(), See(page), progress);
  }
  if (waiting.empty()) progress.outdated.push_back(ByteRange::Make(page, size.bytes).value());
  for (const PoisonEntry& entry : waiting) Note(entry, page, fate, progress);
}

void RetirementDesk::Reverify() {
  verify_next_ = book_.NextKnown(GuestPhysAddr{0});
}

void RetirementDesk::MemoryChanged(std::uint64_t budget_bytes, std::optional<NumaNodes> nodes) {
  budget_.MemoryChanged(budget_bytes, std::move(nodes));
}

bool RetirementDesk::StillRetired(GuestPhysAddr page) {
  const auto seen = LookAt(memory_, FrameOf(page, retirer_.page_size()));
  // Without kpageflags there is nothing that could say otherwise; memory that is away now is
  // looked at when it comes back.
  if (!seen || KindOf(*seen) == protocol::PageKind::kOffline) return true;
  if (seen->Has(PageFlag::kHwpoison)) return true;
  // On Linux 7.3 a frame whose memory is away shows no flag at all.
  if (KindOf(*seen) != protocol::PageKind::kUnknown) return false;
  const Result<MemoryLayout>& layout = Layout();
  return layout && layout->RoleAt(page) != MemoryRole::kSystemRam;
}

void RetirementDesk::VerifyNext(RetirementProgress& progress) {
  const GuestPhysAddr page = *verify_next_;
  const PageVerdict* known = book_.Find(page);
  const PageSize size = retirer_.page_size();
  const auto range = ByteRange::Make(page, size.bytes);
  verify_next_ = range->end() == 0 ? std::nullopt : book_.NextKnown(GuestPhysAddr{range->end()});
  if (known == nullptr || !OutOfUse(known->outcome) || StillRetired(page)) return;
  // Of this boot's first attempt nothing is left: this one is the first again.
  const PoisonEntry again{.id = 0,
                          .range = *range,
                          .evidence = known->verb == Verb::kSoft ? protocol::Evidence::kPredicted
                                                                 : protocol::Evidence::kLatent};
  Unlearn(page);
  const Fate fate = AttemptPage(page, again, See(page), progress);
  // Nobody asked by this name: the schedules know the page again when the host asks.
  retries_.Remove(page);
  watch_.End(page);
  if (OutOfUse(fate.verdict.outcome)) {
    progress.restored.push_back(*range);
  } else {
    Unlearn(page);
    progress.outdated.push_back(*range);
  }
}

}  // namespace seaward::agent
