// What is live of the notifier, as plain values; what only the ledger knows is left out.
#pragma once

#include "host-notifier/app/notifier.h"
#include "host-notifier/observe/snapshot.h"

namespace seaward {

observe::StatusSnapshot LiveStatus(const Notifier& notifier);

// What the ledger has of the boots of the VMs in `status`.
void JoinBootLists(observe::StatusSnapshot& status,
                   const std::vector<ledger::IncarnationRow>& open);

}  // namespace seaward
