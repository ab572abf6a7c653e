#include "guest-agent/pages/page_flags.h"

namespace seaward::agent {

using protocol::PageKind;

bool UsedByKernel(PageFlags flags) {
  return flags.Has(PageFlag::kSlab) || flags.Has(PageFlag::kPageTable) ||
         flags.Has(PageFlag::kReserved) || flags.Has(PageFlag::kZeroPage);
}

PageKind KindOf(PageFlags flags) {
  if (flags.Has(PageFlag::kNoPage) || flags.Has(PageFlag::kOffline)) return PageKind::kOffline;
  if (flags.Has(PageFlag::kHwpoison)) return PageKind::kHwpoison;
  if (flags.Has(PageFlag::kReserved)) return PageKind::kReserved;
  if (UsedByKernel(flags)) return PageKind::kKernel;
  if (flags.Has(PageFlag::kHugetlb)) return PageKind::kHuge;
  if (flags.Has(PageFlag::kBuddy)) return PageKind::kFree;
  if (flags.Has(PageFlag::kTransparentHuge)) return PageKind::kTransparentHuge;
  if (flags.Has(PageFlag::kAnonymous) || flags.Has(PageFlag::kKsm)) return PageKind::kAnonymous;
  if (flags.Has(PageFlag::kLru) || flags.Has(PageFlag::kMapped) ||
      flags.Has(PageFlag::kUnevictable))
    return PageKind::kFile;
  return PageKind::kUnknown;
}

bool Reclaimable(PageKind kind) {
  switch (kind) {
    case PageKind::kFree:
    case PageKind::kAnonymous:
    case PageKind::kFile:
    case PageKind::kHuge:
    case PageKind::kTransparentHuge:
      return true;
    case PageKind::kUnknown:
    case PageKind::kKernel:
    case PageKind::kReserved:
    case PageKind::kHwpoison:
    case PageKind::kOffline:
      return false;
  }
  return false;
}

// ANON stays set on a page that was taken from a process for good: it is not looked at.
bool PoisonedAndUnused(PageFlags flags) {
  return flags.Has(PageFlag::kHwpoison) && !UsedByKernel(flags) && !flags.Has(PageFlag::kLru) &&
         !flags.Has(PageFlag::kMapped) && !flags.Has(PageFlag::kBuddy);
}

}  // namespace seaward::agent
