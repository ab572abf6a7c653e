// install-boot, uninstall-boot and sync-boot on this machine.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "guest-agent/app/command_line.h"
#include "guest-agent/config/agent_config.h"

namespace seaward::agent {

// `line.command` is one of the three.
Status CarryOutBootCommand(const CommandLine& line, const AgentConfig& config, const Logger& log);

}  // namespace seaward::agent
