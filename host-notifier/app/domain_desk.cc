#include "host-notifier/app/domain_desk.h"

#include <unistd.h>

#include <utility>

#include "host-notifier/app/domain_check.h"
#include "host-notifier/loop/loop_timer.h"

namespace seaward {
namespace {

// Shorter than seawardctl's own patience, so that it hears who is to blame; libvirtd under load
// answers within a second or two.
constexpr std::chrono::seconds kLibvirtPatience{10};

DomainLife LifeOf(const Vm* vm, bool running) {
  if (vm == nullptr) return {.running = running, .attached = false, .session = {}};
  return {.running = running,
          .attached = vm->attached(),
          .session = std::string(session::ToString(vm->session().phase()))};
}

// The answer, or the end of patience: whichever comes first, and only that.
struct Waiting {
  Waiting(boost::asio::io_context& loop, DomainDesk::Done on_done)
      : patience(loop), done(std::move(on_done)) {}
  void Finish(Result<observe::DomainReport> report) {
    patience.Cancel();
    if (done) std::exchange(done, nullptr)(std::move(report));
  }
  LoopTimer patience;
  DomainDesk::Done done;
};

}  // namespace

void DomainDesk::Examine(const std::string& name_or_uuid, Done done) {
  const auto vm = notifier_.FindVm(name_or_uuid);
  if (vm != nullptr && vm->is_static()) return done(ReportStatic(*vm));
  LibvirtSource* libvirt = notifier_.libvirt();
  if (libvirt == nullptr)
    return done(Fail(ErrorCode::kNotFound, "no VM is called '" + name_or_uuid + "'"));
  const auto waiting = std::make_shared<Waiting>(notifier_.loop(), std::move(done));
  // The timer's handler holds what it belongs to, until it fires or is cancelled.
  waiting->patience.Start(kLibvirtPatience, [waiting] {
    waiting->Finish(Fail(ErrorCode::kTimeout, "libvirtd does not answer"));
  });
  libvirt->FetchXml(name_or_uuid, [this, waiting](Result<DomainXml> domain) {
    if (!domain) return waiting->Finish(Forward(domain));
    waiting->Finish(Report(*domain));
  });
}

observe::DomainReport DomainDesk::ReportStatic(const Vm& vm) const {
  observe::DomainReport report;
  report.vm = vm.identity();
  report.running = vm.running();
  report.findings = CheckStaticVm(LifeOf(&vm, vm.running()));
  return report;
}

Result<observe::DomainReport> DomainDesk::Report(const DomainXml& domain) const {
  const config::NotifierConfig& config = notifier_.config();
  auto setup = ParseDomainSetup(domain.xml, config.libvirt.channel_name);
  if (!setup) return Forward(setup);
  const auto vm = notifier_.vms().find(setup->domain.uuid);
  observe::DomainReport report;
  report.vm = {setup->domain.uuid, setup->domain.name};
  report.running = domain.running;
  report.findings = CheckDomain(
      *setup, LifeOf(vm == notifier_.vms().end() ? nullptr : vm->second.get(), domain.running),
      [](const std::string& path) { return ::access(path.c_str(), R_OK) == 0; });
  const bool usual = config.attach_socket == config::kDefaultAttachSocket;
  report.recipe = RecipeFor(*setup, {.channel_name = config.libvirt.channel_name,
                                     .preload_library = SEAWARD_PRELOAD_LIBRARY,
                                     .attach_socket = usual ? "" : config.attach_socket});
  return report;
}

}  // namespace seaward
