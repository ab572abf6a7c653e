#include "guest-agent/retire/page_retirer.h"

#include <cerrno>

#include "base/mutants.h"
#include "guest-agent/retire/judge.h"

namespace seaward::agent {

using protocol::PageKind;

PageRetirer::PageRetirer(GuestMemory& memory, PageOffliner& offliner, AttemptRecord& record,
                         const Clock& clock, PageSize page_size, protocol::Stage stage)
    : memory_(memory),
      offliner_(offliner),
      record_(record),
      clock_(clock),
      page_size_(page_size),
      stage_(stage) {}

PageVerdict PageRetirer::Retire(PageFrame frame, Verb verb, const std::optional<PageFlags>& before,
                                std::optional<PageKind> first_kind) {
  const MonoTime began = clock_.Now();
  const GuestPhysAddr address = AddressOf(frame, page_size_);
  const ByteRange page = ByteRange::Make(address, page_size_.bytes).value();

  Attempt attempt{.verb = verb, .before = before, .after = {}, .first_kind = first_kind};
  const PageKind kind =
      first_kind.value_or(attempt.before ? KindOf(*attempt.before) : PageKind::kUnknown);
  // After the attempt the page is charged to nobody.
  const std::uint64_t cgroup =
      verb == Verb::kHard && MayBeSomebodys(kind) ? memory_.CgroupOf(frame) : 0;
  record_.Attempting(page, verb, kind);
  // A soft attempt on a flagged page says 0 whatever the page is used for: it proves nothing.
  const bool flagged = attempt.before && attempt.before->Has(PageFlag::kHwpoison);
  if (!Lives(Mutant::kVerdictWithoutWrite))
    attempt.sys_errno =
        verb == Verb::kSoft && flagged ? EHWPOISON : offliner_.TakeOffline(verb, address);
  attempt.after = LookAt(memory_, frame);

  PageVerdict verdict{.outcome = Judge(attempt),
                      .kind = kind,
                      .stage = stage_,
                      .verb = verb,
                      .sys_errno = static_cast<std::uint16_t>(attempt.sys_errno),
                      .duration = clock_.Now() - began,
                      .cgroup = cgroup};
  if (Lives(Mutant::kVerdictWithoutWrite)) verdict.outcome = protocol::Outcome::kRetired;
  record_.Concluded(page, verdict);
  return verdict;
}

void PageRetirer::Record(GuestPhysAddr page, const PageVerdict& verdict) {
  record_.Concluded(ByteRange::Make(page, page_size_.bytes).value(), verdict);
}

}  // namespace seaward::agent
