// What may be done to a domain, and what must be known before. No libvirt type crosses.
#pragma once

#include <string>
#include <string_view>

namespace seaward {

struct DomainState {
  bool running = false;  // or paused; false also for one that libvirt does not know
  bool paused = false;
  bool persistent = false;
  // Of a transient one that runs: enough to make it again. Holds its secrets.
  std::string xml;
};

enum class DomainOrder {
  kPause,
  kReset,  // the reset line: same memory
  kStop,   // destroyed at once; its memory goes back to the host
};

}  // namespace seaward
