#include "host-notifier/app/live_status.h"

#include <map>

namespace seaward {
namespace {

using observe::StatusSnapshot;
using observe::VmSnapshot;

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
  live.overdue_verdicts = vm.session().overdue_entries();
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
  live.ring.holds_begun = ring.holds_begun;
  live.ring.holds_answered = ring.holds_answered;
  live.ring.holds_timed_out = ring.holds_timed_out;
  live.ring.malformed = ring.malformed;
  live.heals = {vm.healer().healed(), vm.healer().refusals()};
  live.agent = vm.guest_stats();
  live.page_losses = vm.page_losses();
  live.migration = vm.migration();
  live.alarms = vm.alarms();
  return live;
}

}  // namespace

StatusSnapshot LiveStatus(const Notifier& notifier) {
  StatusSnapshot status;
  status.host_retire = config::ToString(notifier.config().host_retire);
  status.heal = config::ToString(notifier.config().heal);
  status.libvirt_enabled = notifier.config().libvirt.enabled;
  status.libvirt_connected = notifier.libvirt_reachable();
  status.libvirt_error = notifier.libvirt_error();
  if (notifier.ledger_failing()) status.ledger_error = notifier.ledger_failing()->Text();
  status.draining = notifier.draining();
  const NotifierCounters& counters = notifier.counters();
  status.attaches = counters.attaches;
  status.attaches_refused = counters.attaches_refused;
  status.attaches_early = counters.attaches_early;
  status.libvirt_losses = counters.libvirt_losses;
  status.ignored_domains = notifier.ignored_domains();
  status.host_trace_open = notifier.host_trace_open();
  status.host_trace_error = notifier.host_trace_error();
  status.frames = notifier.frames().counts();
  for (const auto& [uuid, vm] : notifier.vms()) status.vms.push_back(Live(*vm));
  return status;
}

void JoinBootLists(StatusSnapshot& status, const std::vector<ledger::IncarnationRow>& open) {
  std::map<Uuid, const ledger::IncarnationRow*> by_vm;
  for (const ledger::IncarnationRow& row : open) by_vm[row.vm.uuid] = &row;
  for (VmSnapshot& vm : status.vms)
    if (const auto at = by_vm.find(vm.vm.uuid); at != by_vm.end())
      vm.boot_list = at->second->boot_list;
}

}  // namespace seaward
