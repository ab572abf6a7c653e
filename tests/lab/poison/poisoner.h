// Makes pages of a nested guest behave like memory with an uncorrectable error: every access, by
// anybody in that guest, ends in the kernel's own path for a synchronous external abort, until the
// page is healed or the VMM gives the guest other backing. How: trampoline.h.
//
// THE EMULATED HOST'S KERNEL TEXT IS CHANGED AT RUN TIME (a branch in three functions, and less
// than a hundred instructions in its padding): whoever shows results obtained so has to say it.
// Everything is put back by Restore.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tests/lab/poison/bad_pages.h"
#include "tests/lab/poison/guest_tables.h"
#include "tests/lab/poison/kernel_patch.h"

namespace seaward::lab {

// For people, printed wherever results are shown; and in a word, printed with each of them.
inline constexpr std::string_view kMethod =
    "the emulated host's kernel text is patched at run time: at the entry of KVM's world-switch "
    "handlers of a guest's aborts the fault status of accesses to poisoned pages is rewritten to a "
    "synchronous external abort, and the page's stage-2 descriptor is made invalid; KVM maps guest "
    "memory in 4 KiB pages only";
inline constexpr std::string_view kMethodWord = "kernel-text-patched";

class Poisoner {
 public:
  // Patches the kernel. The error says which precondition fails; nothing is changed then.
  static Result<Poisoner> Install(std::string gdb_socket, MachineRam ram, const KernelPlace& place,
                                  const VcpuLayout& layout);

  const KernelPatch& patch() const { return patch_; }
  BadPages& pages() { return pages_; }
  // The guest's own translation tables on the way to `page`, last level first. Errors of
  // guest_tables.h.
  Result<std::vector<GuestTable>> TablesOf(GuestPhysAddr page, HostPhysAddr backing) const {
    return FindGuestTables(pages_.ram(), page, backing);
  }

  // Heals everything and takes the patch out. Idempotent; call it on every way out.
  Result<RestoreReport> Restore();

 private:
  Poisoner(KernelPatch patch, BadPages pages)
      : patch_(std::move(patch)), pages_(std::move(pages)) {}

  KernelPatch patch_;
  BadPages pages_;
};

}  // namespace seaward::lab
