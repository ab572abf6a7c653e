#include "guest-agent/app/boot_commands.h"

#include "guest-agent/app/machine.h"
#include "guest-agent/preboot/boot_installer.h"

namespace seaward::agent {

Status CarryOutBootCommand(const CommandLine& line, const AgentConfig& config, const Logger& log) {
  const SystemRoots roots;
  BootPlaces places;
  places.roots = EspRoots{roots.sys, roots.proc, roots.dev};
  places.esp = config.next_boot.esp;
  places.list = config.next_boot.list;
  places.run_dir = config.run_dir;
  places.machine = ReadMachineUuid(roots);
  BootInstaller installer(places, log);
  switch (line.command) {
    case Command::kInstallBoot:
      return installer.Install(line.method);
    case Command::kUninstallBoot:
      return installer.Uninstall();
    case Command::kSyncBoot:
      return installer.Sync();
    default:
      return Fail(ErrorCode::kInvalid, "not a command about booting");
  }
}

}  // namespace seaward::agent
