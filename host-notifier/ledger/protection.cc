#include "host-notifier/ledger/protection.h"

namespace seaward::ledger {

std::string_view ToString(Protection protection) {
  switch (protection) {
    case Protection::kBeforeKernel:
      return "before_kernel";
    case Protection::kEarly:
      return "early";
    case Protection::kRun:
      return "run";
    case Protection::kNever:
      return "never";
    case Protection::kPending:
      return "pending";
  }
  return "";
}

std::optional<Protection> ProtectorOf(protocol::Outcome outcome, protocol::Stage stage) {
  switch (EventOf(outcome)) {
    case PageEvent::kVerdictExcluded:
      return Protection::kBeforeKernel;
    case PageEvent::kVerdictRetired:
      return stage == protocol::Stage::kEarly ? Protection::kEarly : Protection::kRun;
    default:
      return std::nullopt;
  }
}

std::optional<Protection> ProtectionNow(PageLife life, std::optional<Protection> last) {
  switch (life) {
    case PageLife::kExcluded:
      return Protection::kBeforeKernel;
    case PageLife::kRetired:
      return last.value_or(Protection::kRun);
    case PageLife::kFailed:
      return Protection::kNever;
    case PageLife::kReported:
    case PageLife::kDelivered:
    case PageLife::kDeferred:
    case PageLife::kToReplay:
      return Protection::kPending;
    case PageLife::kCleared:
    case PageLife::kClosed:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace seaward::ledger
