// The translation tables of a guest's own kernel on the way to one page of a process in it, found
// from outside: candidates for poison that a table walk meets.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tests/lab/poison/kernel_place.h"
#include "tests/lab/poison/machine_ram.h"

namespace seaward::lab {

struct GuestTable {
  int level = 3;  // of stage 1
  GuestPhysAddr page;
  HostPhysAddr backing;
};

// `page`: a page of a process in the guest, with 4 KiB tables; `backing`: the host page behind it.
// Last level first. Sure in a guest that was not reset since its VMM started. kNotFound when no
// process of the guest has it; errors of host_tables.h.
Result<std::vector<GuestTable>> FindGuestTables(const MachineRam& ram, GuestPhysAddr page,
                                                HostPhysAddr backing);

}  // namespace seaward::lab
