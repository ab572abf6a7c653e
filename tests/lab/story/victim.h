// A process in a guest that owns a page.
#pragma once

#include <sys/types.h>

#include "base/units.h"
#include "tests/lab/poison/kernel_place.h"

namespace seaward::lab {

struct Victim {
  pid_t pid = -1;
  GuestPhysAddr page;
  HostPhysAddr backing;  // the host page behind it
};

}  // namespace seaward::lab
