#include "host-notifier/hostpage/host_retire_plan.h"

namespace seaward {
namespace {

bool WithGhes(RetireMoment moment) {
  switch (moment) {
    case RetireMoment::kExit:
      return false;
    case RetireMoment::kHeldExit:
    // A page that the guest's kernel cannot let go is fresh after the next reset, if the host
    // retires it now; its next touch is fatal to the guest either way.
    case RetireMoment::kStillInUse:
    case RetireMoment::kOutOfUse:
    case RetireMoment::kVmEnded:
    case RetireMoment::kReplaced:
      return true;
  }
  return false;
}

}  // namespace

bool RetiresFrameAt(RetireMoment moment, config::HostRetire mode, bool has_ghes) {
  // For a frame that was replaced, the end has come.
  const bool at_end = moment == RetireMoment::kVmEnded || moment == RetireMoment::kReplaced;
  switch (mode) {
    case config::HostRetire::kAuto:
      return has_ghes ? WithGhes(moment) : at_end;
    case config::HostRetire::kAfterVerdict:
      return moment == RetireMoment::kOutOfUse || at_end;
    case config::HostRetire::kAtEnd:
      return at_end;
    case config::HostRetire::kOff:
      return false;
  }
  return false;
}

}  // namespace seaward
