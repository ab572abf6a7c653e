// libvirt's numbers of a memory failure, in words.
#pragma once

#include "host-notifier/libvirt/domain_watch.h"

namespace seaward {

// virDomainMemoryFailureRecipientType, virDomainMemoryFailureActionType and
// virDomainMemoryFailureFlags (libvirt-domain.h).
DomainMemoryFailure MemoryFailureOf(int recipient, int action, unsigned flags);

}  // namespace seaward
