// How many files this process may have open.
#pragma once

namespace seaward {

// As many as the system allows it: the usual limit is meant for programs that use select(2). Where
// that fails, the limit stays.
void RaiseDescriptorLimit();

}  // namespace seaward
