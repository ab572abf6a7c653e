// seawardctl: what the notifier knows, for operators and their scripts.
#include <CLI/CLI.hpp>
#include <cstdlib>

#include "host-notifier/config/notifier_config.h"
#include "host-notifier/ctl/commands.h"
#include "host-notifier/observe/control_request.h"

namespace seaward::ctl {
namespace {

constexpr const char* kVmHelp = "Name or UUID of a VM";

CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& help,
                     Command& command) {
  CLI::App* sub = app.add_subcommand(name, help);
  sub->add_flag("--json", command.as_json, "Print JSON, one object a line");
  sub->callback([&command, name] { command.op = name; });
  return sub;
}

void Declare(CLI::App& app, Command& command) {
  app.require_subcommand(1);
  app.set_version_flag("--version", "seawardctl " SEAWARD_VERSION);
  app.add_option("--socket", command.socket, "The notifier's control socket")
      ->capture_default_str();
  CLI::App* status = AddCommand(app, "status", "Show VMs and their bad pages", command);
  status->add_option("vm,--vm", command.vm, kVmHelp);
  status->add_flag("--no-pages", command.no_pages, "Only the VMs");
  CLI::App* events = AddCommand(app, "events", "Show recorded events", command);
  events->add_option("--vm", command.vm, kVmHelp);
  events->add_option("--after", command.after_id, "Only events with a higher id, oldest first");
  events->add_option("--limit", command.limit, "At most this many")
      ->check(CLI::Range(1U, observe::kMaxEventsPerReply))
      ->capture_default_str();
  AddCommand(app, "watch", "Print events and changes as they happen", command)
      ->add_option("--vm", command.vm, kVmHelp);
  AddCommand(app, "can-migrate", "Say whether a VM may be migrated, saved or dumped", command)
      ->add_option("vm", command.vm, kVmHelp)
      ->required();
  AddCommand(app, "explain", "Say what the policy makes of a VM, and why", command)
      ->add_option("vm", command.vm, kVmHelp)
      ->required();
  CLI::App* report = AddCommand(app, "report", "Tell the notifier of bad memory", command);
  CLI::Option* vm = report->add_option("--vm", command.vm, kVmHelp);
  CLI::Option* gpa = report->add_option("--gpa", command.gpa, "Guest physical address, 0x...");
  CLI::Option* length = report->add_option("--length", command.length, "Bytes")
                            ->check(CLI::Range(std::uint64_t{1}, observe::kMaxReportBytes))
                            ->capture_default_str();
  vm->needs(gpa);
  gpa->needs(vm);
  length->needs(gpa);
  report
      ->add_option("--host-pfn", command.host_frame,
                   "Instead: number of a page frame of the host, 0x..., of whichever VM has it")
      ->excludes(vm)
      ->excludes(gpa)
      ->excludes(length);
  report->add_option("--evidence", command.evidence, "How it is known to be bad")
      ->check(CLI::IsMember({"consumed", "latent", "predicted"}))
      ->capture_default_str();
}

void DeclareDomain(CLI::App& app, Command& command) {
  CLI::App* domain = app.add_subcommand("domain", "Examine one libvirt domain");
  domain->require_subcommand(1);
  for (const auto& [name, help] : {std::pair("check", "Say what it lacks to be protected"),
                                   std::pair("xml", "Print the XML that makes it protected")}) {
    CLI::App* sub = AddCommand(*domain, name, help, command);
    sub->add_option("vm", command.vm, kVmHelp)->required();
    sub->callback([&command, op = std::string("domain ") + name] { command.op = op; });
  }
}

void DeclareUpkeep(CLI::App& app, Command& command) {
  CLI::App* clear = AddCommand(app, "clear", "Say that bad pages are good memory", command);
  clear->add_option("vm", command.vm, kVmHelp)->required();
  clear->add_option("--gpa", command.gpa, "Guest physical address, 0x...")->required();
  clear->add_option("--length", command.length, "Bytes")
      ->check(CLI::Range(std::uint64_t{1}, observe::kMaxReportBytes))
      ->capture_default_str();
  clear->add_option("--reason", command.reason, "Why, for the audit")->required();
  AddCommand(app, "replay", "Send a VM's bad pages to its guest again", command)
      ->add_option("vm", command.vm, kVmHelp)
      ->required();
  CLI::App* drain = AddCommand(app, "drain", "Bring the notifier to rest", command);
  drain->add_option("--wait", command.wait_s, "Seconds until it gives up and goes on")
      ->check(CLI::Range(1U, observe::kMaxDrainSeconds))
      ->capture_default_str();
  drain->add_flag("--end", command.end, "Go on");
  AddCommand(app, "audit", "Show what operators did", command)
      ->add_option("--limit", command.limit, "At most this many")
      ->check(CLI::Range(1U, observe::kMaxEventsPerReply))
      ->capture_default_str();
  CLI::App* out = app.add_subcommand("export", "Write the whole ledger as JSON lines");
  out->add_option("--output", command.file, "A new file; without it stdout");
  out->callback([&command] { command.op = "export"; });
  AddCommand(app, "import", "Take an export into the ledger", command)
      ->add_option("file", command.file, "The export")
      ->required();
}

// Behind sudo everybody is root.
std::string WhoAsks() {
  for (const char* name : {"SUDO_USER", "USER"})
    if (const char* value = std::getenv(name)) return std::string(value).substr(0, 255);
  return {};
}

int Main(int argc, char** argv) {
  CLI::App app("Ask seaward-notifier", "seawardctl");
  Command command;
  command.socket = config::kDefaultControlSocket;
  command.limit = observe::kDefaultEvents;
  command.length = kPoisonGranule;
  command.evidence = "latent";
  command.wait_s = observe::kDefaultDrainSeconds;
  command.who = WhoAsks();
  Declare(app, command);
  DeclareDomain(app, command);
  DeclareUpkeep(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kExitOk : kExitUsage;
  }
  const bool by_frame = command.op == "report" && !command.host_frame.empty();
  if (by_frame && !ParseAddress(command.host_frame)) {
    std::fprintf(stderr, "--host-pfn: '%s' is not a frame's number (want 0x...)\n",
                 command.host_frame.c_str());
    return kExitUsage;
  }
  if (command.op == "report" && !by_frame && command.gpa.empty()) {
    std::fprintf(stderr, "report: say --vm and --gpa, or --host-pfn\n");
    return kExitUsage;
  }
  if ((command.op == "report" || command.op == "clear") && !by_frame &&
      !ParseAddress(command.gpa)) {
    std::fprintf(stderr, "--gpa: '%s' is not an address (want 0x...)\n", command.gpa.c_str());
    return kExitUsage;
  }
  return Run(command, stdout, stderr);
}

}  // namespace
}  // namespace seaward::ctl

int main(int argc, char** argv) {
  return seaward::ctl::Main(argc, argv);
}
