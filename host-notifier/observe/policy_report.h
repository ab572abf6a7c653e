// What `seawardctl explain` shows: what holds for one VM now, and what was decided before.
#pragma once

#include <string>
#include <vector>

#include "host-notifier/ledger/decision_table.h"
#include "host-notifier/policy/decide.h"

namespace seaward::observe {

struct PolicyReport {
  ledger::VmIdentity vm;
  bool running = false;  // otherwise no rule counts anything
  bool dry_run = false;
  bool own_policy = false;              // the domain's metadata has a word in it
  std::vector<std::string> own_errors;  // why that word is not followed
  std::vector<policy::RuleJudgement> rules;
  std::vector<ledger::DecisionRow> decisions;  // the newest, oldest first
};

}  // namespace seaward::observe
