#include "guest-agent/retire/kernel_watch.h"

namespace seaward::agent {
namespace {

bool UseIsNamed(PageFlags flags) {
  return flags.Has(PageFlag::kSlab) || flags.Has(PageFlag::kPageTable);
}

bool Compound(PageFlags flags) {
  return flags.Has(PageFlag::kCompoundHead) || flags.Has(PageFlag::kCompoundTail);
}

}  // namespace

bool KernelWatch::Begin(GuestPhysAddr page, PageFlags seen,
                        const std::optional<protocol::PoisonEntry>& entry, MonoTime now) {
  if (!UseIsNamed(seen)) return false;
  if (!Watched(page) && single_.size() >= capacity_) return false;
  single_[page] = !Compound(seen);
  looks_.Postpone(page, now);
  if (entry) looks_.Join(page, *entry);
  return true;
}

Sighting KernelWatch::Look(GuestPhysAddr page, PageFlags seen, MonoTime now) {
  const auto watched = single_.find(page);
  const bool flagged = seen.Has(PageFlag::kHwpoison);
  if (watched != single_.end() && UseIsNamed(seen)) watched->second = !Compound(seen);
  if (!UsedByKernel(seen)) {
    if (!flagged) return Sighting::kFree;
    const bool single = watched != single_.end() && watched->second;
    if (single && PoisonedAndUnused(seen)) return Sighting::kLeft;
  }
  looks_.Postpone(page, now);
  return Sighting::kStillUsed;
}

void KernelWatch::End(GuestPhysAddr page) {
  single_.erase(page);
  looks_.Remove(page);
}

void KernelWatch::Forget(const ByteRange& range) {
  // A page for which nobody asks by name (an earlier agent's) is dropped by its address.
  for (auto it = single_.lower_bound(GuestPhysAddr{range.start().value & ~(kPoisonGranule - 1)});
       it != single_.end() && it->first.value <= range.last();) {
    looks_.Remove(it->first);
    it = single_.erase(it);
  }
}

}  // namespace seaward::agent
