// Plays one session with one bad page against nothing at all, so that every code page and heap page
// of the retirement path is resident, and locked, before the first real error.
#pragma once

#include "guest-agent/pages/page_size.h"

namespace seaward::agent {

// True when the rehearsed page was retired and its verdict encoded: the path works in this process.
bool RehearseRetirement(PageSize page_size);

}  // namespace seaward::agent
