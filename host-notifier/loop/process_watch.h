// Tells when a process ends, through a pidfd: no polling, and no confusion with a later process of
// the same pid.
#pragma once

#include <functional>
#include <memory>

#include "base/process_identity.h"
#include "host-notifier/loop/fd_watch.h"

namespace seaward {

// `ended` is called at most once, on the loop's thread. kNotFound when the process is gone already
// or its pid belongs to another one now.
Result<std::unique_ptr<FdWatch>> WatchProcess(boost::asio::io_context& loop,
                                              const ProcessIdentity& process,
                                              std::function<void()> ended);

}  // namespace seaward
