// Values -> the JSON that docs/CONTRACT.md and docs/schemas describe: one object, one line, no
// newline. Addresses are strings "0x..."; a time's unit is in its key. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "host-notifier/observe/domain_report.h"
#include "host-notifier/observe/policy_report.h"
#include "host-notifier/observe/snapshot.h"
#include "host-notifier/observe/upkeep.h"

namespace seaward::observe {

std::string StatusLine(const StatusSnapshot& status);

// The same line in steps of a millisecond or so: all pages of many VMs take seconds.
class StatusText {
 public:
  explicit StatusText(StatusSnapshot status);
  // False: the line is whole, and Take() gives it away.
  bool Go();
  std::string Take() { return std::move(line_); }

 private:
  StatusSnapshot status_;
  std::string line_;
  std::size_t vm_ = 0;    // the next one
  std::size_t page_ = 0;  // of the VM before it, where pages are shown
};

std::string EventsLine(const EventsSnapshot& events);
std::string ReportLine(const ReportResult& report);
std::string FrameLine(const FrameReport& report);
std::string DomainLine(const DomainReport& report);
std::string MigrationLine(const MigrationReport& report);
std::string ClearLine(const ClearResult& cleared);
std::string ReplayLine(const ReplayResult& replay);
std::string DrainLine(const DrainResult& drain);
std::string AuditLine(const AuditSnapshot& audit);
std::string ImportLine(const ImportResult& import);
std::string ExplainLine(const PolicyReport& report);
std::string ErrorLine(const Error& error);

// Lines of `watch`.
std::string WatchingLine();
std::string WatchEventLine(const ledger::VmIdentity& vm, const PoisonEvent& event);
std::string WatchPageLine(const ledger::PageRow& page);
std::string WatchAlarmLine(const ledger::AlarmRow& alarm);
std::string WatchLostLine(std::uint64_t lost_lines);

}  // namespace seaward::observe
