// Watches the live VMs' facts, decides by the policy, and hands what was decided to the ActionDesk:
// rows first, actions behind them.
//
// Thread: the loop's; deciding is done on the ledger's, so that facts, limits and rows are of one
// moment. Held by shared_ptr: answers may come after its owner let go.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host-notifier/app/action_desk.h"
#include "host-notifier/config/notifier_config.h"
#include "host-notifier/observe/policy_report.h"

namespace seaward {

class PolicyDesk : public std::enable_shared_from_this<PolicyDesk> {
 public:
  struct LiveVm {
    ledger::VmIdentity identity;
    std::optional<Uuid> incarnation;
  };
  struct Parts {
    boost::asio::io_context& loop;
    const Clock& clock;
    LedgerThread& ledger;
    const Logger& log;
    const config::NotifierConfig& config;
    // nullopt: no such VM now.
    std::function<std::optional<LiveVm>(const Uuid& vm)> find;
    ActionDesk& actions;
  };

  // What `parts` refers to outlives it.
  explicit PolicyDesk(Parts parts) : parts_(std::move(parts)) {}

  // Something about the VM is on record, or its memory became known.
  void Recheck(const Uuid& vm);
  void ExitsLost(const Uuid& vm, std::uint64_t lost);
  // What the domain's metadata says; nullopt: nothing. Said again, it costs nothing.
  void UseDomainPolicy(const ledger::VmIdentity& vm, const std::optional<std::string>& text);
  // VMs that are there no more.
  void ForgetTheGone();

  bool MayRestartTransient(const Uuid& vm) const;
  // `vm`: one that the ledger has met, live or not.
  void Explain(const ledger::VmIdentity& vm,
               std::function<void(Result<observe::PolicyReport>)> done);

 private:
  struct Watched {
    explicit Watched(boost::asio::io_context& loop) : timer(loop) {}
    LoopTimer timer;              // to the next look
    std::optional<MonoTime> due;  // when that is; nullopt: none is set
    bool looking = false;
    bool again = false;
    Uuid losses_of;  // the incarnation
    std::vector<policy::Sample> losses;
    std::optional<std::string> own_text;
    std::optional<policy::VmPolicy> own;
    std::vector<std::string> own_errors;
  };
  // What one look needs, as values: it happens on another thread.
  struct Question {
    ledger::VmIdentity vm;
    Uuid incarnation;
    policy::EffectivePolicy policy;
    std::vector<policy::Sample> losses;
  };
  struct Answer {
    policy::Outcome outcome;
    std::vector<ledger::DecisionRow> rows;
  };

  Watched& Of(const Uuid& vm);
  const Watched* Find(const Uuid& vm) const;
  policy::EffectivePolicy PolicyOf(const ledger::VmIdentity& vm) const;
  void Look(const Uuid& vm);
  void Looked(const Uuid& vm, const Result<Answer>& answer);
  void LookAt(const Uuid& vm, Watched& watched, std::chrono::nanoseconds wait);
  std::optional<Question> Ask(const Uuid& vm) const;
  static Result<policy::Outcome> Evaluate(ledger::Ledger& ledger, const Question& question,
                                          WallTime now);
  static Result<Answer> Decide(ledger::Ledger& ledger, const Question& question,
                               const policy::PolicyConfig& config, WallTime now);
  void Log(const ledger::DecisionRow& row) const;

  const Parts parts_;
  std::map<Uuid, std::unique_ptr<Watched>> watched_;
};

}  // namespace seaward
