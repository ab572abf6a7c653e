// Tells hooks and webhooks of decisions.
//
// Thread: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "host-notifier/action/hook_process.h"
#include "host-notifier/action/web_post.h"
#include "host-notifier/app/intervention.h"
#include "host-notifier/ledger/decision_table.h"
#include "host-notifier/policy/rule.h"

namespace seaward {

class NoticeTeller {
 public:
  using Done = std::function<void(const StepEnd&)>;

  // The references outlive it. `host` names this machine to who is told.
  NoticeTeller(boost::asio::io_context& loop, const Clock& clock,
               const policy::PolicyConfig& config, std::string host)
      : loop_(loop), clock_(clock), config_(config), host_(std::move(host)) {}

  bool Knows(const std::string& sink) const;
  // The sink tells whether repeating is right: an attempt that nobody saw the end of.
  bool MayRepeat(const ledger::DecisionRow& row) const;
  // Of a row under way. `done` is called once, later, and not after the teller is gone.
  void Tell(const ledger::DecisionRow& row, Done done);

 private:
  void RunHook(const policy::Hook& hook, const ledger::DecisionRow& row, Done done);
  void Post(const policy::Webhook& hook, const ledger::DecisionRow& row, Done done);
  StepEnd HookEnded(const policy::Hook& hook, const ledger::DecisionRow& row,
                    const action::HookEnd& end) const;
  StepEnd PostEnded(const policy::Webhook& hook, const ledger::DecisionRow& row,
                    const action::WebEnd& end) const;

  boost::asio::io_context& loop_;
  const Clock& clock_;
  const policy::PolicyConfig& config_;
  const std::string host_;
  std::map<std::uint64_t, std::unique_ptr<action::HookProcess>> hooks_;
  std::map<std::uint64_t, std::unique_ptr<action::WebPost>> posts_;
};

}  // namespace seaward
