// When a frame is taken away from the host. Pure.
//
// Without GHES, QEMU exits at the guest's next touch of a page that the host retired; with GHES it
// reports the error to the guest and maps a fresh page at the next reset. So `auto` waits for the
// end of a VM without GHES, and for the guest's verdict with it: unless the vCPU is held at its
// exit, with nothing injected. Then QEMU tells the guest, at the moment of consumption.
#pragma once

#include "host-notifier/config/notifier_config.h"

namespace seaward {

enum class RetireMoment {
  kExit,        // the event came in; the guest has not answered
  kHeldExit,    // the same, and the vCPU waits for the frame to go before the guest runs on
  kOutOfUse,    // the guest stopped using the page
  kStillInUse,  // the guest answered that it cannot
  kVmEnded,     // the VM's memory goes back to the host
  kReplaced,    // the VMM put another frame in its place: nobody can touch it any more
};

bool RetiresFrameAt(RetireMoment moment, config::HostRetire mode, bool has_ghes);

}  // namespace seaward
