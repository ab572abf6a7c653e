// Who has a page, by the guest's kernel alone: /proc/iomem, /proc/kpageflags and its log. Shares no
// code with the agent, and asks it nothing.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tests/support/guest_shell.h"

namespace seaward::testing {

enum class Protection {
  kOutside,  // of System RAM: the kernel was not given it
  kRetired,  // taken out of use, and in nobody's hands
  kNone,
};

struct ProbedPage {
  GuestPhysAddr page;
  Protection protection = Protection::kNone;
  // Of a page that is not protected: what the kernel called it when it was asked to give it up, or
  // else its flags.
  std::string kind;
};

// In the order of `pages`.
Result<std::vector<ProbedPage>> ProbePages(GuestShell& shell,
                                           const std::vector<GuestPhysAddr>& pages);

}  // namespace seaward::testing
