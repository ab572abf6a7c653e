// The edges of stage1_walk.h: registers through KVM, tables through the VMM's own mapping of guest
// memory. Thread: the vCPU's own, outside KVM_RUN.
#pragma once

#include <optional>

#include "host-notifier/vmm/memslot_map.h"
#include "host-notifier/vmm/sea_exit.h"
#include "host-notifier/vmm/vcpu_kind.h"

namespace seaward::vmm {

struct LocatedTable {
  GuestPhysAddr page;  // the granule that holds the descriptor
  HostVirtAddr hva;
};

// For an abort on a table walk whose address is valid and for which KVM gave no address; nullopt
// for every other exit, and when the walk leads nowhere. Costs a few system calls, bounded.
std::optional<LocatedTable> LocateTable(KvmCalls& calls, int vcpu_fd, VcpuKind kind,
                                        const MemslotMap& memory, const SeaExit& exit) noexcept;

}  // namespace seaward::vmm
