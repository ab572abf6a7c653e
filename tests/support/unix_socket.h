// Client ends of unix stream sockets.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward::testing {

Result<UniqueFd> ConnectUnix(const std::string& path);

}  // namespace seaward::testing
