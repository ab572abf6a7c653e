#include "host-notifier/ledger/ledger_rows.h"

namespace seaward::ledger {

std::string_view ToString(HostRetired state) {
  switch (state) {
    case HostRetired::kNo:
      return "no";
    case HostRetired::kPending:
      return "pending";
    case HostRetired::kYes:
      return "yes";
    case HostRetired::kRefused:
      return "refused";
  }
  return "";
}

std::string_view ToString(HealState state) {
  switch (state) {
    case HealState::kNo:
      return "no";
    case HealState::kOrdered:
      return "ordered";
    case HealState::kHealed:
      return "healed";
    case HealState::kRefused:
      return "refused";
  }
  return "";
}

std::string_view ToString(AlarmKind kind) {
  switch (kind) {
    case AlarmKind::kUnattached:
      return "unattached";
    case AlarmKind::kUnsafeToMigrate:
      return "unsafe_to_migrate";
  }
  return "";
}

std::string_view ToString(OperatorAction action) {
  switch (action) {
    case OperatorAction::kClear:
      return "clear";
    case OperatorAction::kReplay:
      return "replay";
    case OperatorAction::kDrain:
      return "drain";
    case OperatorAction::kRebuild:
      return "rebuild";
    case OperatorAction::kImport:
      return "import";
  }
  return "";
}

}  // namespace seaward::ledger
