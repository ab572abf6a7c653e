// The pages that are bad now: a slot of the trampoline's list and an invalid stage-2 leaf for each.
//
// The poison is the host page's. While the VMM has that page there, every access of the guest
// aborts, also after KVM has unmapped or forgotten the guest page (a reset, another memory slot):
// the list keeps KVM from mapping it again. When the VMM's own page table entry shows another page
// or none (fresh backing, a VMM that ended), the trampoline lets accesses through from that moment
// on, and the next Check takes the page off the list.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tests/lab/poison/host_tables.h"
#include "tests/lab/poison/kernel_place.h"
#include "tests/lab/poison/machine_ram.h"
#include "tests/lab/poison/poison_kind.h"
#include "tests/lab/poison/trampoline.h"

namespace seaward::lab {

struct RestoreReport {
  std::size_t descriptors_restored = 0;
  std::size_t descriptors_replaced = 0;  // the kernel wrote or freed them since: left alone
};

class BadPages {
 public:
  struct Page {
    GuestPhysAddr page;
    HostPhysAddr backing;
    PoisonKind kind;
    bool lifted = false;  // other backing since, or none
    Owner owner;          // the VMM's page table entry
    std::vector<StageTwoLeaf> leaves;
    std::vector<std::size_t> slots;
  };

  // `list`: an empty list that the trampoline reads. `linear_end`: where the kernel sees the end of
  // RAM. Both as long as the patch is in.
  BadPages(MachineRam ram, HostPhysAddr list, KernelVirtAddr linear_end)
      : ram_(std::move(ram)), list_(list), linear_end_(linear_end), used_(kMaxPages) {}

  // `backing`: the host page behind `page`. Errors of host_tables.h; kLimit when the list is full;
  // kExists when this host page is bad already.
  Result<Page> Poison(GuestPhysAddr page, HostPhysAddr backing, const PoisonKind& kind);
  // Accesses work again, at the latest after one more stage-2 fault. All guests that have `page`.
  // kNotFound when none is, or was before its backing changed.
  Status Heal(GuestPhysAddr page);
  // Lifts what has other backing now, and makes leaves invalid again that an abort on its way has
  // mapped while they were being listed.
  Status Check();
  const std::vector<Page>& pages() const { return pages_; }
  const MachineRam& ram() const { return ram_; }
  // Heals everything.
  Result<RestoreReport> Restore();

 private:
  Status TakeSlot(Page& bad, const StageTwoLeaf& leaf);
  Status FreeSlots(Page& bad);
  Status Invalidate(Page& bad);
  HostPhysAddr SlotAt(std::size_t index) const {
    return {list_.value + 8 + index * 8 * kSlotWords};
  }

  MachineRam ram_;
  HostPhysAddr list_;
  KernelVirtAddr linear_end_;
  std::vector<bool> used_;
  std::size_t slots_listed_ = 0;  // what the list's count says
  std::vector<Page> pages_;
  RestoreReport report_;
};

}  // namespace seaward::lab
