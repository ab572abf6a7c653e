#include "host-notifier/app/operator_desk.h"

#include <map>
#include <utility>

#include "host-notifier/classify/classify.h"

namespace seaward {
namespace {

using observe::StatusSnapshot;
using observe::VmSnapshot;

Error Unknown(const std::string& vm) {
  return Error{ErrorCode::kNotFound, 0, "no VM is called '" + vm + "'"};
}

VmSnapshot Live(const Vm& vm) {
  VmSnapshot live;
  live.vm = vm.identity();
  live.running = vm.running();
  live.attached = vm.attached();
  live.channel_open = vm.channel_open();
  live.channel_error = vm.channel_error();
  live.has_ghes = vm.has_ghes();
  live.session = session::ToString(vm.session().phase());
  live.incarnation = vm.incarnation();
  if (!vm.session().boot_id().IsNil()) live.boot = vm.session().boot_id();
  live.reboots = vm.reboots();
  for (std::size_t i = 0; i < session::kProtocolFaults; ++i)
    live.protocol_faults += vm.session().faults(static_cast<session::ProtocolFault>(i));
  const EventIntake::Counts& events = vm.event_counts();
  live.events = {.located = events.located,
                 .suspected = events.suspected,
                 .gva_only = events.gva_only,
                 .unlocated = events.unlocated,
                 .not_yet_recorded = events.not_yet_recorded,
                 .unrecordable = events.unrecordable};
  const ring::RingCounters ring = vm.ring_counters();
  live.ring.taken = ring.taken;
  live.ring.coalesced = ring.coalesced;
  live.ring.lost = ring.lost;
  live.ring.failed_injections = ring.failed_injections;
  live.ring.native_fallbacks = ring.native_fallbacks;
  live.ring.rests = ring.rests;
  live.ring.malformed = ring.malformed;
  live.agent = vm.guest_stats();
  live.migration = vm.migration();
  live.alarms = vm.alarms();
  return live;
}

// What the ledger adds to a status: rows of the live VMs, and VMs that are not there now.
struct Rows {
  std::vector<ledger::VmRow> vms;
  std::vector<ledger::PageRow> pages;
};

Result<Rows> ReadRows(ledger::Ledger& ledger, const std::optional<Uuid>& only) {
  ledger::LedgerView view = ledger.View();
  auto vms = view.Vms();
  if (!vms) return Forward(vms);
  auto pages = view.Pages({.vm = only});
  if (!pages) return Forward(pages);
  return Rows{std::move(*vms), std::move(*pages)};
}

Result<observe::EventsSnapshot> ReadEvents(ledger::Ledger& ledger,
                                           const ledger::EventFilter& wanted) {
  ledger::LedgerView view = ledger.View();
  auto events = view.Events(wanted);
  if (!events) return Forward(events);
  auto alarms = view.Alarms(wanted.vm, wanted.limit);
  if (!alarms) return Forward(alarms);
  return observe::EventsSnapshot{std::move(*events), std::move(*alarms)};
}

void Join(StatusSnapshot& status, Rows rows, const std::optional<Uuid>& only) {
  std::map<Uuid, VmSnapshot> by_uuid;
  for (VmSnapshot& vm : status.vms) by_uuid.insert_or_assign(vm.vm.uuid, std::move(vm));
  for (ledger::VmRow& row : rows.vms) {
    auto [at, added] = by_uuid.try_emplace(row.vm.uuid);
    if (added) {
      at->second.vm = row.vm;
      at->second.session = "none";
    }
    at->second.events_pruned = row.events_pruned;
  }
  for (ledger::PageRow& page : rows.pages) {
    const auto at = by_uuid.find(page.vm.uuid);
    if (at != by_uuid.end()) at->second.pages.push_back(std::move(page));
  }
  status.vms.clear();
  for (auto& [uuid, vm] : by_uuid)
    if (!only || uuid == *only) status.vms.push_back(std::move(vm));
}

}  // namespace

StatusSnapshot OperatorDesk::LiveStatus() const {
  StatusSnapshot status;
  status.host_retire = config::ToString(notifier_.config().host_retire);
  status.libvirt_enabled = notifier_.config().libvirt.enabled;
  status.libvirt_connected = notifier_.libvirt_reachable();
  status.libvirt_error = notifier_.libvirt_error();
  if (notifier_.ledger_failing()) status.ledger_error = notifier_.ledger_failing()->Text();
  const NotifierCounters& counters = notifier_.counters();
  status.attaches = counters.attaches;
  status.attaches_refused = counters.attaches_refused;
  status.attaches_early = counters.attaches_early;
  status.libvirt_losses = counters.libvirt_losses;
  status.ignored_domains = notifier_.ignored_domains();
  for (const auto& [uuid, vm] : notifier_.vms()) status.vms.push_back(Live(*vm));
  return status;
}

void OperatorDesk::FindVm(const std::string& name_or_uuid,
                          std::function<void(Result<ledger::VmIdentity>)> done) {
  if (const auto vm = notifier_.FindVm(name_or_uuid)) return done(vm->identity());
  notifier_.ledger().Read<std::optional<ledger::VmRow>>(
      [name_or_uuid](ledger::Ledger& l) { return l.View().FindVm(name_or_uuid); },
      [name_or_uuid, done = std::move(done)](Result<std::optional<ledger::VmRow>> row) {
        if (!row) return done(Forward(row));
        if (!*row) return done(tl::unexpected<Error>(Unknown(name_or_uuid)));
        done((*row)->vm);
      });
}

void OperatorDesk::GetStatus(const observe::StatusRequest& request,
                             std::function<void(Result<StatusSnapshot>)> done) {
  const auto answer = [this, done](const std::optional<Uuid>& only) {
    notifier_.ledger().Read<Rows>([only](ledger::Ledger& l) { return ReadRows(l, only); },
                                  [this, only, done](Result<Rows> rows) {
                                    if (!rows) return done(Forward(rows));
                                    StatusSnapshot status = LiveStatus();
                                    Join(status, std::move(*rows), only);
                                    done(std::move(status));
                                  });
  };
  if (!request.vm) return answer(std::nullopt);
  FindVm(*request.vm, [answer, done](Result<ledger::VmIdentity> vm) {
    if (!vm) return done(Forward(vm));
    answer(vm->uuid);
  });
}

void OperatorDesk::GetEvents(const observe::EventsRequest& request,
                             std::function<void(Result<observe::EventsSnapshot>)> done) {
  ledger::EventFilter filter;
  filter.after_id = request.after_id;
  filter.limit = request.limit;
  const auto answer = [this, done](const ledger::EventFilter& wanted) {
    notifier_.ledger().Read<observe::EventsSnapshot>(
        [wanted](ledger::Ledger& l) { return ReadEvents(l, wanted); }, done);
  };
  if (!request.vm) return answer(filter);
  FindVm(*request.vm, [answer, done, filter](Result<ledger::VmIdentity> vm) mutable {
    if (!vm) return done(Forward(vm));
    filter.vm = vm->uuid;
    answer(filter);
  });
}

void OperatorDesk::JudgeMigration(const observe::MigrationRequest& request,
                                  std::function<void(Result<observe::MigrationReport>)> done) {
  if (const auto vm = notifier_.FindVm(request.vm)) {
    return vm->JudgeMigration([vm, done](Result<observe::MigrationState> state) {
      if (!state) return done(Forward(state));
      done(observe::MigrationReport{vm->identity(), vm->running(), std::move(*state)});
    });
  }
  FindVm(request.vm, [done](Result<ledger::VmIdentity> vm) {
    if (!vm) return done(Forward(vm));
    done(observe::MigrationReport{std::move(*vm), false, {}});  // known from earlier; gone now
  });
}

void OperatorDesk::Report(const observe::ReportRequest& request,
                          std::function<void(Result<observe::ReportResult>)> done) {
  const auto vm = notifier_.FindVm(request.vm);
  if (vm == nullptr) return done(tl::unexpected<Error>(Unknown(request.vm)));
  const PoisonEvent event =
      ClassifyReport(request.range, request.evidence, clock_.Now(), clock_.WallNow());
  vm->Report(event, [identity = vm->identity(),
                     done = std::move(done)](const Result<ledger::RecordedEvent>& recorded) {
    if (!recorded) return done(tl::unexpected<Error>(recorded.error()));
    if (!recorded->entry)
      return done(Fail(ErrorCode::kLimit, identity.name + " has too many bad pages on record"));
    done(observe::ReportResult{identity, *recorded->entry, recorded->is_new});
  });
}

}  // namespace seaward
