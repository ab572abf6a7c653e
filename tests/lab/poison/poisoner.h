// Makes pages of a nested guest behave like memory with an uncorrectable error: every access, by
// anybody in that guest, ends in the kernel's own path for a synchronous external abort, until the
// page is healed. How: trampoline.h.
//
// THE EMULATED HOST'S KERNEL TEXT IS CHANGED AT RUN TIME (one branch and ~30 instructions in its
// padding): whoever shows results obtained so has to say it. Everything is put back by Restore.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tests/lab/poison/gdb_client.h"
#include "tests/lab/poison/kernel_place.h"
#include "tests/lab/poison/machine_ram.h"
#include "tests/lab/poison/trampoline.h"

namespace seaward::lab {

// One sentence for people, printed wherever results are shown.
inline constexpr std::string_view kMethod =
    "the emulated host's kernel text is patched at run time: at the entry of "
    "kvm_handle_guest_abort the fault status of accesses to poisoned pages is rewritten to a "
    "synchronous external abort, and the page's stage-2 descriptor is made invalid";

struct RestoreReport {
  std::size_t descriptors_restored = 0;
  std::size_t descriptors_replaced = 0;  // the kernel wrote or freed them since: left alone
  bool patch_removed = false;
};

class Poisoner {
 public:
  // Patches the kernel. The error says which precondition fails; nothing is changed then.
  static Result<Poisoner> Install(std::string gdb_socket, MachineRam ram, const KernelPlace& place,
                                  const VcpuLayout& layout);

  // Where the patch branches from and to.
  HostPhysAddr site() const { return site_; }
  HostPhysAddr trampoline() const { return trampoline_; }

  // `backing`: the page of the emulated host behind `page`. kNotFound ("unmapped page") when no
  // stage-2 leaf maps it: the guest has not touched it yet. kLimit beyond kMaxPages.
  Result<std::vector<HostPhysAddr>> Poison(GuestPhysAddr page, HostPhysAddr backing);
  // Accesses work again, at the latest after one more stage-2 fault. kNotFound when not poisoned.
  Status Heal(GuestPhysAddr page);
  std::vector<GuestPhysAddr> pages() const;

  // Heals everything and takes the patch out. Idempotent; call it on every way out.
  Result<RestoreReport> Restore();

 private:
  struct Leaf {
    HostPhysAddr at;
    std::uint64_t original = 0;
  };
  Poisoner(std::string gdb_socket, MachineRam ram)
      : gdb_socket_(std::move(gdb_socket)), ram_(std::move(ram)) {}

  Status Patch(GdbClient& gdb, const KernelPlace& place, const VcpuLayout& layout);
  Status WriteList();
  void RestoreLeaves(std::vector<Leaf>& leaves, RestoreReport& report);
  Status RemovePatch();
  Result<bool> WipeIfUnused(GdbClient& gdb, bool may_wipe);

  std::string gdb_socket_;
  MachineRam ram_;
  HostPhysAddr site_, trampoline_;
  KernelVirtAddr trampoline_virtual_;
  std::size_t list_offset_ = 0;
  std::size_t trampoline_bytes_ = 0;  // 0: not patched
  std::map<GuestPhysAddr, std::vector<Leaf>> poisoned_;
};

}  // namespace seaward::lab
