#include "tests/lab/poison/bad_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace seaward::lab {

Result<BadPages::Page> BadPages::Poison(GuestPhysAddr page, HostPhysAddr backing,
                                        const PoisonKind& kind) {
  page = ByteRange::Granule(page).start();
  backing.value &= kOutputAddress;
  if (auto checked = Check(); !checked) return Forward(checked);
  std::erase_if(pages_, [&](const Page& old) { return old.lifted && old.page == page; });
  for (const Page& old : pages_)
    if (old.backing == backing && !old.lifted)
      return Fail(ErrorCode::kExists,
                  fmt::format("the host page {:#x} is bad already", backing.value));
  auto owner = FindOwner(ram_, page, backing);
  if (!owner) return Forward(owner);
  auto leaves = FindStageTwo(ram_, page, backing);
  if (!leaves) return Forward(leaves);
  Page bad{page, backing, kind, false, *owner, {}, {}};
  for (const StageTwoLeaf& leaf : *leaves) {
    if (auto taken = TakeSlot(bad, leaf); !taken) {
      (void)FreeSlots(bad);  // the first error is the one to tell
      return Forward(taken);
    }
  }
  bad.leaves = std::move(*leaves);
  pages_.push_back(std::move(bad));
  // Only now: an abort in between finds the list ready.
  if (auto done = Invalidate(pages_.back()); !done) return Forward(done);
  return pages_.back();
}

Status BadPages::TakeSlot(Page& bad, const StageTwoLeaf& leaf) {
  const auto free = std::find(used_.begin(), used_.end(), false);
  if (free == used_.end()) return Fail(ErrorCode::kLimit, fmt::format("{} pages", kMaxPages));
  const auto index = static_cast<std::size_t>(free - used_.begin());
  const HostPhysAddr at = SlotAt(index);
  const Slot slot{bad.page.value / kPoisonGranule, leaf.root.value / kPoisonGranule,
                  linear_end_.value - (ram_.end().value - bad.owner.entry.value),
                  bad.owner.frame.value / kPoisonGranule, bad.kind.Syndromes()};
  const std::array<std::uint64_t, kSlotWords> words = {kFreeSlot, slot.guest, slot.owner,
                                                       slot.backing, slot.syndrome};
  for (std::size_t i = 0; i < words.size(); ++i)
    if (auto stored = ram_.Store({at.value + 8 * i}, words[i]); !stored) return stored;
  if (auto stored = ram_.Store(at, slot.page); !stored) return stored;
  used_[index] = true;
  bad.slots.push_back(index);
  if (index < slots_listed_) return {};
  slots_listed_ = index + 1;
  return ram_.Store(list_, slots_listed_);
}

Status BadPages::FreeSlots(Page& bad) {
  for (std::size_t index : bad.slots) {
    if (auto stored = ram_.Store(SlotAt(index), kFreeSlot); !stored) return stored;
    used_[index] = false;
  }
  bad.slots.clear();
  return {};
}

// Only what maps this host page: the descriptor may be another one by now.
Status BadPages::Invalidate(Page& bad) {
  constexpr std::uint64_t kPage = 3;
  for (StageTwoLeaf& leaf : bad.leaves) {
    auto now = ram_.Load(leaf.at);
    if (!now) return Forward(now);
    if ((*now & 3) != kPage || (*now & kOutputAddress) != bad.backing.value) continue;
    auto changed = ram_.Exchange(leaf.at, *now, *now & ~kValidDescriptor);
    if (!changed) return Forward(changed);
    if (*changed) leaf.descriptor = *now;
  }
  return {};
}

Status BadPages::Check() {
  for (Page& bad : pages_) {
    if (bad.lifted) continue;
    auto owner = ram_.Load(bad.owner.entry);
    if (!owner) return Forward(owner);
    // Without the valid bit it is the kernel's note of a page that it has retired.
    if ((*owner & (kOutputAddress | kValidDescriptor)) !=
        (bad.owner.frame.value | kValidDescriptor)) {
      bad.lifted = true;
      if (auto freed = FreeSlots(bad); !freed) return freed;
      continue;
    }
    if (auto done = Invalidate(bad); !done) return done;
  }
  return {};
}

Status BadPages::Heal(GuestPhysAddr page) {
  page = ByteRange::Granule(page).start();
  bool found = false;
  for (Page& bad : pages_) {
    if (bad.page != page) continue;
    found = true;
    if (auto freed = FreeSlots(bad); !freed) return freed;
    for (const StageTwoLeaf& leaf : bad.leaves) {
      const auto put = ram_.Exchange(leaf.at, leaf.descriptor & ~kValidDescriptor, leaf.descriptor);
      ++(put && *put ? report_.descriptors_restored : report_.descriptors_replaced);
    }
  }
  std::erase_if(pages_, [&](const Page& bad) { return bad.page == page; });
  if (!found) return Fail(ErrorCode::kNotFound, "this page is not poisoned");
  return {};
}

Result<RestoreReport> BadPages::Restore() {
  report_ = {};
  if (auto checked = Check(); !checked) return Forward(checked);
  while (!pages_.empty())
    if (auto healed = Heal(pages_.front().page); !healed) return Forward(healed);
  return report_;
}

}  // namespace seaward::lab
