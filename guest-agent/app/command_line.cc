#include "guest-agent/app/command_line.h"

#include <optional>
#include <string_view>

#include "guest-agent/config/agent_config.h"

namespace seaward::agent {
namespace {

std::optional<Command> CommandNamed(std::string_view word) {
  if (word == "run") return Command::kRun;
  if (word == "early") return Command::kEarly;
  if (word == "replay") return Command::kReplay;
  if (word == "install-boot") return Command::kInstallBoot;
  if (word == "uninstall-boot") return Command::kUninstallBoot;
  if (word == "sync-boot") return Command::kSyncBoot;
  if (word == "--check-config") return Command::kCheckConfig;
  if (word == "--version") return Command::kVersion;
  if (word == "--help" || word == "-h") return Command::kHelp;
  return std::nullopt;
}

}  // namespace

Result<CommandLine> ParseCommandLine(std::span<const char* const> arguments) {
  CommandLine line{.config_path = std::string(kDefaultConfigPath)};
  bool command_seen = false;
  std::optional<BootMethod> method;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (word == "--config") {
      if (++i == arguments.size()) return Fail(ErrorCode::kInvalid, "--config needs a file");
      line.config_path = arguments[i];
      line.config_required = true;
      continue;
    }
    if (word == "--method") {
      if (++i < arguments.size()) method = BootMethodNamed(arguments[i]);
      if (!method) return Fail(ErrorCode::kInvalid, "--method needs efi-driver, grub or none");
      continue;
    }
    const auto command = CommandNamed(word);
    if (!command) return Fail(ErrorCode::kInvalid, "unknown argument '" + std::string(word) + "'");
    if (command_seen) return Fail(ErrorCode::kInvalid, "one command only");
    line.command = *command;
    command_seen = true;
  }
  if (!command_seen) return Fail(ErrorCode::kInvalid, "a command is needed");
  if (method.has_value() != (line.command == Command::kInstallBoot))
    return Fail(ErrorCode::kInvalid, "install-boot needs --method, and nothing else takes it");
  line.method = method.value_or(BootMethod::kNone);
  return line;
}

std::string UsageText() {
  return "usage: seaward-agent run | early | replay | --check-config | --version | --help\n"
         "                     [--config FILE]\n"
         "       seaward-agent install-boot --method METHOD | uninstall-boot | sync-boot\n"
         "                     [--config FILE]\n"
         "  run             serve the host until told to stop\n"
         "  early           from the initramfs: ask the host, retire, go on with the boot\n"
         "  replay          before the daemon: the same, and the journal when the host is silent\n"
         "  install-boot    keep bad pages from the next kernel\n"
         "  --method METHOD efi-driver, grub, or none\n"
         "  uninstall-boot  take away what install-boot put in place\n"
         "  sync-boot       carry the list for the next boot to the EFI system partition\n"
         "  --check-config  check the configuration and say everything that is wrong with it\n"
         "  --config FILE   instead of " +
         std::string(kDefaultConfigPath) +
         ", which may be missing\n"
         "exit status: 0 ok, 1 failed, 2 usage or configuration\n";
}

}  // namespace seaward::agent
