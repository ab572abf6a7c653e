#include "host-notifier/app/vm_alarms.h"

namespace seaward {

bool VmAlarms::Change(ledger::AlarmKind kind, bool raised) {
  const auto [at, first] = states_.try_emplace(kind);
  if (!first && at->second.raised == raised) return false;
  at->second = {raised, context_.clock.WallNow()};
  context_.ledger.WriteTogether<std::optional<ledger::AlarmRow>>(
      [vm = vm_, kind, raised](ledger::Ledger& l) { return l.RecordAlarm(vm, kind, raised); },
      [&observer = context_.observer, &log = context_.log, vm = vm_,
       kind](const Result<std::optional<ledger::AlarmRow>>& row) {
        if (!row) {
          log.Error("alarm_not_recorded", {{"vm", vm.name},
                                           {"alarm", std::string(ToString(kind))},
                                           {"why", row.error().Text()}});
        } else if (*row) {
          observer.AlarmChanged(**row);
        }
      });
  // Not raised, and never was here: nothing that a person must hear of.
  return !first || raised;
}

void VmAlarms::Raise(ledger::AlarmKind kind, const std::string& why) {
  if (!Change(kind, true)) return;
  log_.Warning("alarm_raised",
               {{"vm", vm_.name}, {"alarm", std::string(ToString(kind))}, {"why", why}});
}

void VmAlarms::Lower(ledger::AlarmKind kind) {
  if (!Change(kind, false)) return;
  log_.Info("alarm_over", {{"vm", vm_.name}, {"alarm", std::string(ToString(kind))}});
}

std::vector<observe::ActiveAlarm> VmAlarms::active() const {
  std::vector<observe::ActiveAlarm> active;
  for (const auto& [kind, state] : states_)
    if (state.raised) active.push_back({kind, state.since});
  return active;
}

}  // namespace seaward
