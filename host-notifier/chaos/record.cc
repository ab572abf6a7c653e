#include "host-notifier/chaos/record.h"

#include <fmt/chrono.h>

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

std::string_view RunRecord::Word() const {
  if (interrupted) return "interrupted";
  return Passed() ? "passed" : "failed";
}

std::size_t RunRecord::RetiredPages() const {
  return static_cast<std::size_t>(std::ranges::count(pages, "retired", &PageRecord::life));
}

std::tm RunRecord::BeganUtc() const {
  using std::chrono::system_clock;
  return fmt::gmtime(
      system_clock::to_time_t(std::chrono::time_point_cast<system_clock::duration>(began)));
}

}  // namespace seaward::chaos
