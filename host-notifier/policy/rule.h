// What an operator wants done about bad memory, as plain values. config/ reads them; docs/POLICY.md
// explains them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host-notifier/policy/glob.h"
#include "host-notifier/policy/web_url.h"

namespace seaward::policy {

using std::chrono::seconds;

// What of a VM's present memory a rule counts.
enum class Condition {
  kPages,                // distinct bad pages of 4 KiB; predicted errors are none
  kSuspectedEvents,      // errors whose place is only suspected
  kUnlocatedEvents,      // errors somewhere
  kUncontainableEvents,  // errors whose bad data may have spread
  kUnretiredPages,       // bad pages that the guest may still use
  kLostExits,            // exits that found their ring full
  kBudgetRefusals,       // bad pages that the guest's budget did not allow to retire
};
inline constexpr Condition kAllConditions[] = {
    Condition::kPages,           Condition::kSuspectedEvents,
    Condition::kUnlocatedEvents, Condition::kUncontainableEvents,
    Condition::kUnretiredPages,  Condition::kLostExits,
    Condition::kBudgetRefusals};
inline constexpr std::size_t kConditions = std::size(kAllConditions);
std::string_view ToString(Condition condition);

// What is done to the VM itself, the gentlest first.
enum class Intervention { kNone, kPause, kReset, kColdRestart };
std::string_view ToString(Intervention intervention);

struct Rule {
  std::string name;
  Condition when = Condition::kPages;
  std::uint64_t at_least = 1;
  seconds within{0};                // how far back counts; not with kUnretiredPages
  seconds unretired_for{0};         // with kUnretiredPages only
  std::vector<std::string> notify;  // names of hooks and webhooks
  Intervention act = Intervention::kNone;
};

// A program that is told.
struct Hook {
  std::string name;
  std::string program;
  std::vector<std::string> arguments;
  seconds deadline{0};  // then its whole process group is killed
  std::uint32_t attempts = 1;
  seconds retry{0};
  seconds expiry{0};
};

// A web service that is told.
struct Webhook {
  std::string name;
  WebUrl url;
  std::string token_file;  // empty: none; otherwise sent as a bearer token
  std::string ca_file;     // empty: the system's
  seconds deadline{0};
  seconds retry_initial{0};
  seconds retry_max{0};
  seconds expiry{0};
};

// Bounds on what is decided within `window`, over all rules.
struct Limits {
  seconds window{0};
  std::uint64_t vm_notifications = 0;
  std::uint64_t vm_interventions = 0;
  std::uint64_t host_notifications = 0;
  std::uint64_t host_interventions = 0;
};

// What one VM, or some, have otherwise than all.
struct VmPolicy {
  bool dry_run = false;              // also when everybody else is not
  bool restart_transient = false;    // the same
  std::vector<std::string> disable;  // names of rules
  std::vector<Rule> rules;           // one of a known name replaces it
};

struct VmSelection {
  std::vector<Glob> match;
  VmPolicy policy;
};

struct PolicyConfig {
  bool dry_run = false;
  bool restart_transient = false;
  seconds duplicate_window{0};
  seconds expiry{0};  // of interventions
  Limits limits;
  std::vector<Hook> hooks;
  std::vector<Webhook> webhooks;
  std::vector<Rule> rules;
  std::vector<VmSelection> vms;  // the first that matches counts

  const Hook* FindHook(std::string_view name) const;
  const Webhook* FindWebhook(std::string_view name) const;
};

// What holds for one VM.
struct EffectivePolicy {
  bool dry_run = false;
  bool restart_transient = false;
  seconds duplicate_window{0};
  Limits limits;
  std::vector<Rule> rules;
};

// The file's word for all, then for VMs of that name, then the domain's own (`own` may be null).
EffectivePolicy PolicyFor(const PolicyConfig& config, std::string_view vm_name,
                          const VmPolicy* own);

}  // namespace seaward::policy
