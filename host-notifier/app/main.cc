// seaward-notifier: opens what the process needs and runs one event loop.
#include <signal.h>
#include <sys/stat.h>

#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdio>
#include <cstdlib>

#include "base/descriptor_limit.h"
#include "base/file_io.h"
#include "base/journal_sink.h"
#include "host-notifier/app/kernel_host_memory.h"
#include "host-notifier/app/memory_return.h"
#include "host-notifier/app/notifier.h"
#include "host-notifier/app/service_notify.h"

namespace seaward {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

Result<std::unique_ptr<ledger::Ledger>> OpenLedger(const config::NotifierConfig& config,
                                                   const Clock& clock, const Logger& log) {
  // systemd makes it (StateDirectory); elsewhere it may be missing. A failure shows at once.
  ::mkdir(config.state_dir.c_str(), 0700);
  auto text = ReadTextFile("/proc/sys/kernel/random/boot_id", 64);
  if (!text) return Forward(text);
  auto host_boot = ParseUuid(text->substr(0, text->find('\n')));
  if (!host_boot) return Forward(host_boot);
  auto opened = ledger::Ledger::Open(config.LedgerPath(), *host_boot, clock);
  if (!opened) return Forward(opened);
  if (opened->set_aside)
    log.Error("ledger_corrupt", {{"why", opened->why}, {"kept_as", *opened->set_aside}});
  return std::move(opened->ledger);
}

int Fail(const Logger& log, const Error& error) {
  log.Error("cannot_start", {{"why", error.Text()}});
  return kFailed;
}

int Run(const config::NotifierConfig& config, const Logger& log) {
  // A guest or client that goes away, or a file at its size limit, is an error to handle, no death.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  RaiseDescriptorLimit();  // each VM takes several
  ReturnMemoryPromptly();
  const SystemClock clock;
  auto ledger = OpenLedger(config, clock, log);
  if (!ledger) return Fail(log, ledger.error());
  boost::asio::io_context loop(1);
  boost::asio::signal_set signals(loop, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code&, int) { loop.stop(); });
  const char* notify_socket = std::getenv("NOTIFY_SOCKET");
  const ServiceNotify service(notify_socket == nullptr ? "" : notify_socket);
  KernelHostMemory memory(config.hard_offline_path);
  Notifier notifier(loop, config, clock, log, memory, std::move(*ledger));
  if (auto started = notifier.Start(); !started) return Fail(log, started.error());
  log.Info("ready", {{"version", SEAWARD_VERSION}});
  if (auto told = service.Ready(); !told) log.Warning("sd_notify", {{"why", told.error().Text()}});
  loop.run();
  static_cast<void>(service.Stopping());
  log.Info("stopping");
  // A libvirt thread that is stuck would be left behind in a process that takes itself apart.
  if (!notifier.Stop()) ::_exit(EXIT_SUCCESS);
  return EXIT_SUCCESS;
}

int Main(int argc, char** argv) {
  CLI::App app("Seaward host notifier");
  std::string path(config::kDefaultNotifierConfigPath);
  bool check = false;
  app.add_option("--config", path, "Configuration file")->capture_default_str();
  app.add_flag("--check-config", check, "Check the configuration and exit");
  app.set_version_flag("--version", "seaward-notifier " SEAWARD_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? EXIT_SUCCESS : kUsage;
  }
  const auto config = config::LoadNotifierConfig(path);
  if (!config) {
    std::fputs(yaml::Render(config.error()).c_str(), stderr);
    return kUsage;
  }
  if (check) return EXIT_SUCCESS;
  const auto sink = OpenLogSink("seaward-notifier");
  return Run(*config, Logger(*sink, config->log_level));
}

}  // namespace
}  // namespace seaward

int main(int argc, char** argv) {
  return seaward::Main(argc, argv);
}
