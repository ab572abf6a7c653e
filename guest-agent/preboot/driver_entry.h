// Our driver's place in the firmware's own list: Driver#### and DriverOrder, which the firmware
// goes through before it starts any boot loader.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "guest-agent/preboot/efi_variables.h"
#include "guest-agent/preboot/load_option.h"

namespace seaward::agent {

inline constexpr std::string_view kDriverDescription = "Seaward: keeps bad memory from the kernel";

// True when something had to be written. The driver comes first in DriverOrder: whatever others
// allocate, they do not get a listed page.
Result<bool> RegisterDriver(const EfiVariables& variables, const GptPartition& partition,
                            std::string_view path);
Status UnregisterDriver(const EfiVariables& variables);
bool DriverRegistered(const EfiVariables& variables);

}  // namespace seaward::agent
