#include "host-notifier/ledger/ledger_probe.h"

namespace seaward::ledger {

std::string_view ToString(WriteOperation operation) {
  switch (operation) {
    case WriteOperation::kOpen:
      return "open";
    case WriteOperation::kBeginIncarnation:
      return "begin_incarnation";
    case WriteOperation::kEndIncarnation:
      return "end_incarnation";
    case WriteOperation::kBeginBoot:
      return "begin_boot";
    case WriteOperation::kReservePageIds:
      return "reserve_page_ids";
    case WriteOperation::kRecordEvent:
      return "record_event";
    case WriteOperation::kRecordDelivered:
      return "record_delivered";
    case WriteOperation::kRecordVerdict:
      return "record_verdict";
    case WriteOperation::kRecordHostRetirement:
      return "record_host_retirement";
    case WriteOperation::kRecordHeal:
      return "record_heal";
    case WriteOperation::kRecordAlarm:
      return "record_alarm";
    case WriteOperation::kClearPages:
      return "clear_pages";
    case WriteOperation::kRecordAudit:
      return "record_audit";
    case WriteOperation::kRecordClaims:
      return "record_claims";
    case WriteOperation::kRecordLosses:
      return "record_losses";
    case WriteOperation::kRecordBeforeKernel:
      return "record_before_kernel";
    case WriteOperation::kImport:
      return "import";
    case WriteOperation::kRetain:
      return "retain";
  }
  return "";
}

std::string_view ToString(CommitMoment moment) {
  switch (moment) {
    case CommitMoment::kBegun:
      return "begun";
    case CommitMoment::kWorked:
      return "worked";
    case CommitMoment::kCommitted:
      return "committed";
  }
  return "";
}

std::vector<LifeChange> AllLifeChanges() {
  std::vector<LifeChange> changes;
  for (const PageLife from : kAllPageLives)
    for (const PageEvent event : kAllPageEvents)
      if (const auto to = Advance(from, event); to && *to != from)
        changes.push_back({from, event, *to});
  return changes;
}

}  // namespace seaward::ledger
