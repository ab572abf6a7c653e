// A trace buffer of our own in tracefs (Documentation/trace/ftrace.rst, "Instances"), in which the
// kernel notes every frame that it finds bad, and nothing else. It stays when the notifier goes, so
// that what happens until the next one is there is not missed.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward {

// Takes over the instance `name` or makes it, and opens its trace_pipe, which does not block.
// kNotFound: no tracefs there, or a kernel without the event; kDenied and others as the system
// says.
Result<UniqueFd> OpenTraceInstance(const std::string& tracefs, const std::string& name);

}  // namespace seaward
