// seaward-agent's command line. Pure.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "guest-agent/preboot/boot_installer.h"

namespace seaward::agent {

enum class Command {
  kRun,
  kEarly,
  kReplay,
  kInstallBoot,
  kUninstallBoot,
  kSyncBoot,
  kCheckConfig,
  kVersion,
  kHelp
};

struct CommandLine {
  Command command = Command::kHelp;
  std::string config_path;                // the default path when none was given
  bool config_required = false;           // given by hand: it must exist
  BootMethod method = BootMethod::kNone;  // of kInstallBoot
};

// kInvalid with a text for the user.
Result<CommandLine> ParseCommandLine(std::span<const char* const> arguments);

std::string UsageText();

}  // namespace seaward::agent
