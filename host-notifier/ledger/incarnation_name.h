// The name of one life of a VM's memory. Pure.
#pragma once

#include "base/process_identity.h"
#include "base/uuid.h"

namespace seaward::ledger {

// The same VM, host boot and process always have the same name (a version 8 UUID): a notifier whose
// ledger was lost names the memory as the guest heard it before, and so knows the guest's journal
// for its own. Tells lives apart; protects nothing.
Uuid NameIncarnation(const Uuid& vm, const Uuid& host_boot, const ProcessIdentity& vmm);

}  // namespace seaward::ledger
