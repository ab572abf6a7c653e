#include "host-notifier/chaos/record.h"

#include <algorithm>

namespace seaward::chaos {

std::string_view ToString(ActEnd end) {
  switch (end) {
    case ActEnd::kDone:
      return "done";
    case ActEnd::kSkipped:
      return "skipped";
    case ActEnd::kFailed:
      return "failed";
  }
  return "";
}

bool RunRecord::Passed() const {
  return !interrupted && std::ranges::all_of(checks, &CheckRecord::held) &&
         std::ranges::none_of(acts,
                              [](const ActRecord& act) { return act.end == ActEnd::kFailed; });
}

}  // namespace seaward::chaos
