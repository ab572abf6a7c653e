// Keeps the daemon's list for the next boot in step with its journal. Lives on the thread that
// writes the journal; a disk that hangs holds nothing up.
#pragma once

#include <string>

#include "base/log.h"
#include "guest-agent/journal/journal_format.h"
#include "guest-agent/preboot/list_file.h"
#include "guest-agent/preboot/list_planner.h"

namespace seaward::agent {

class ListKeeper {
 public:
  struct Places {
    std::string list;
    std::string proc = "/proc";
    std::string sys = "/sys";
  };
  // `log` outlives it.
  ListKeeper(Places places, const PlanLimits& limits, const Logger& log)
      : places_(std::move(places)), limits_(limits), log_(log) {}

  // The list that follows from the journal, on disk; what is left out of it is logged, once for
  // each new set of reasons.
  Status Keep(const JournalContent& journal);

 private:
  void Tell(const BootPlan& plan, const StoredList& list);

  Places places_;
  PlanLimits limits_;
  const Logger& log_;
  std::vector<BootPlan::Refused> told_;
};

}  // namespace seaward::agent
