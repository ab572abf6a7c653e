#include "guest-agent/retire/judge.h"

#include <cerrno>

#include "base/mutants.h"

namespace seaward::agent {
namespace {

using protocol::Outcome;
using protocol::PageKind;

PageKind KindBefore(const Attempt& attempt) {
  if (attempt.first_kind) return *attempt.first_kind;
  return attempt.before ? KindOf(*attempt.before) : PageKind::kUnknown;
}

Outcome JudgeAccepted(const Attempt& attempt) {
  // Without kpageflags the first write's word is all there is.
  if (!attempt.after) return Outcome::kRetired;
  if (UsedByKernel(*attempt.after)) return Outcome::kInKernel;
  // Accepted without effect: a hwpoison filter, or an operation that this kernel cannot do.
  return attempt.after->Has(PageFlag::kHwpoison) ? Outcome::kRetired : Outcome::kFailed;
}

Outcome JudgeFlaggedBefore(const Attempt& attempt) {
  if (!attempt.after) return Outcome::kFailed;
  if (UsedByKernel(*attempt.after)) return Outcome::kInKernel;
  const bool ours = attempt.first_kind.has_value();
  // What the kernel did not give up at the first attempt and what was in no process's hands stays
  // with the kernel; its flag is our own earlier attempt's.
  if (ours && !Reclaimable(*attempt.first_kind)) return Outcome::kInKernel;
  if (!PoisonedAndUnused(*attempt.after)) return Outcome::kDeferred;
  return ours ? Outcome::kRetired : Outcome::kAlreadyRetired;
}

Outcome JudgeRefused(const Attempt& attempt) {
  if (!attempt.after) return Outcome::kDeferred;
  if (UsedByKernel(*attempt.after)) return Outcome::kInKernel;
  // Flagged but not given up, and it was nobody's that the kernel could take it from: an allocation
  // of the kernel that carries no flag of its own.
  const bool flagged = attempt.after->Has(PageFlag::kHwpoison);
  return flagged && !Reclaimable(KindBefore(attempt)) ? Outcome::kInKernel : Outcome::kDeferred;
}

}  // namespace

Outcome Judge(const Attempt& attempt) {
  if (Lives(Mutant::kTrustFlag) && attempt.after && attempt.after->Has(PageFlag::kHwpoison))
    return Outcome::kRetired;
  switch (attempt.sys_errno) {
    case 0:
      return JudgeAccepted(attempt);
    case EHWPOISON:
      return JudgeFlaggedBefore(attempt);
    case EBUSY:
    case EAGAIN:
    case EINTR:
    case EIO:
    case ENOMEM:
    case ENXIO:  // the block is offline; it may come back
      return JudgeRefused(attempt);
    case ENOTRECOVERABLE:  // soft: "unhandlable page"
      return Reclaimable(KindBefore(attempt)) ? Outcome::kDeferred : Outcome::kInKernel;
    default:
      return Outcome::kFailed;
  }
}

}  // namespace seaward::agent
