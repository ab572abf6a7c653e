// seaward-agent's command line. Pure.
#pragma once

#include <span>
#include <string>

#include "base/result.h"

namespace seaward::agent {

enum class Command { kRun, kEarly, kCheckConfig, kVersion, kHelp };

struct CommandLine {
  Command command = Command::kHelp;
  std::string config_path;       // the default path when none was given
  bool config_required = false;  // given by hand: it must exist
};

// kInvalid with a text for the user.
Result<CommandLine> ParseCommandLine(std::span<const char* const> arguments);

std::string UsageText();

}  // namespace seaward::agent
