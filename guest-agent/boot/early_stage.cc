#include "guest-agent/boot/early_stage.h"

#include "base/mutants.h"

namespace seaward::agent {

std::string_view ToString(EarlyEnd end) {
  switch (end) {
    case EarlyEnd::kSettled:
      return "settled";
    case EarlyEnd::kNoPort:
      return "no_port";
    case EarlyEnd::kHostSilent:
      return "host_silent";
    case EarlyEnd::kLimitReached:
      return "limit_reached";
  }
  return "unknown";
}

MonoTime EarlyStage::Deadline(const EarlyView& view) const {
  return began_ + (view.host_answered ? limits_.limit : limits_.wait);
}

std::optional<EarlyEnd> EarlyStage::Ended(const EarlyView& view, MonoTime now) const {
  if (view.settled || (view.host_answered && Lives(Mutant::kEarlyLeaves)))
    return EarlyEnd::kSettled;
  // A machine without the device is not kept waiting at all.
  if (!view.port_open && !view.console_device) return EarlyEnd::kNoPort;
  if (now < Deadline(view)) return std::nullopt;
  if (view.host_answered) return EarlyEnd::kLimitReached;
  return view.port_open ? EarlyEnd::kHostSilent : EarlyEnd::kNoPort;
}

}  // namespace seaward::agent
