#include "guest-agent/retire/page_retirer.h"

#include <cerrno>

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

std::optional<PageFlags> PageRetirer::Look(PageFrame frame) {
  const auto flags = memory_.FlagsOf(frame);
  if (!flags) return std::nullopt;
  if (flags->Has(PageFlag::kHugetlb) && !flags->Has(PageFlag::kHwpoison)) {
    if (const auto head = HugePageFlags(memory_, frame)) return *head;
  }
  return *flags;
}

PageVerdict PageRetirer::Retire(PageFrame frame, Verb verb, std::optional<PageKind> first_kind) {
  const MonoTime began = clock_.Now();
  const GuestPhysAddr address = AddressOf(frame, page_size_);
  const ByteRange page = ByteRange::Make(address, page_size_.bytes).value();

  Attempt attempt{.verb = verb, .before = Look(frame), .after = {}, .first_kind = first_kind};
  const PageKind kind =
      first_kind.value_or(attempt.before ? KindOf(*attempt.before) : PageKind::kUnknown);
  record_.Attempting(page, verb, kind);
  // A soft attempt on a flagged page says 0 whatever the page is used for: it proves nothing.
  const bool flagged = attempt.before && attempt.before->Has(PageFlag::kHwpoison);
  attempt.sys_errno =
      verb == Verb::kSoft && flagged ? EHWPOISON : offliner_.TakeOffline(verb, address);
  attempt.after = Look(frame);

  PageVerdict verdict{.outcome = Judge(attempt),
                      .kind = kind,
                      .stage = stage_,
                      .verb = verb,
                      .sys_errno = static_cast<std::uint16_t>(attempt.sys_errno),
                      .duration = clock_.Now() - began};
  record_.Concluded(page, verdict);
  return verdict;
}

}  // namespace seaward::agent
