// seaward-chaos: harms a VM of the operator's own on purpose, and looks whether anything was lost.
#include <CLI/CLI.hpp>

#include "host-notifier/chaos/command.h"
#include "host-notifier/config/notifier_config.h"
#include "host-notifier/ctl/commands.h"

namespace seaward::chaos {
namespace {

int Main(int argc, char** argv) {
  CLI::App app("Harm a VM on purpose, and see that nothing is lost", "seaward-chaos");
  Command command;
  command.config = config::kDefaultNotifierConfigPath;
  command.restart = "systemctl restart seaward-notifier.service";
  app.set_version_flag("--version", "seaward-chaos " SEAWARD_VERSION);
  CLI::Option* vm = app.add_option("--vm", command.vm, "Name or UUID of a libvirt domain");
  app.add_option("--scenario", command.scenario, "What to do: a file")->required();
  app.add_option("--seed", command.seed, "What chance decides; without it, any");
  app.add_flag("--dry-run", command.dry_run, "Print the plan and do nothing");
  app.add_flag("--yes", command.yes, "Do not ask");
  app.add_option("--report", command.report, "Folder for report.json, report.xml and report.html");
  app.add_option("--config", command.config, "The notifier's configuration")->capture_default_str();
  app.add_option("--restart-command", command.restart, "What restarts the notifier")
      ->capture_default_str();
  CLI::Option* check =
      app.add_flag("--check-scenario", command.check, "Print every error of the file and exit");
  try {
    app.parse(argc, argv);
    if (vm->count() == 0 && check->count() == 0) throw CLI::RequiredError("--vm");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? ctl::kExitOk : ctl::kExitUsage;
  }
  return Run(command, stdout, stderr);
}

}  // namespace
}  // namespace seaward::chaos

int main(int argc, char** argv) {
  return seaward::chaos::Main(argc, argv);
}
