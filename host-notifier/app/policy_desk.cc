#include "host-notifier/app/policy_desk.h"

#include <algorithm>

#include "host-notifier/config/policy_reader.h"

namespace seaward {
namespace {

using policy::Condition;

// What comes within it is looked at once: a storm costs four looks a second.
constexpr std::chrono::milliseconds kPause{250};
// A wall clock that was set must not put a look off for long.
constexpr std::chrono::minutes kLongestWait{10};
// Of losses; beyond it they are added to the newest.
constexpr std::size_t kMostLosses = 1000;
constexpr std::uint32_t kDecisionsShown = 100;

std::chrono::seconds LongestWindow(const policy::EffectivePolicy& policy) {
  std::chrono::seconds longest{0};
  for (const policy::Rule& rule : policy.rules) longest = std::max(longest, rule.within);
  return longest;
}

WallTime ExpiryOf(const policy::Decision& decision, const policy::PolicyConfig& config,
                  WallTime now) {
  if (const policy::Hook* hook = config.FindHook(decision.action.sink)) return now + hook->expiry;
  if (const policy::Webhook* hook = config.FindWebhook(decision.action.sink))
    return now + hook->expiry;
  return now + config.expiry;
}

}  // namespace

PolicyDesk::Watched& PolicyDesk::Of(const Uuid& vm) {
  auto& watched = watched_[vm];
  if (watched == nullptr) watched = std::make_unique<Watched>(parts_.loop);
  return *watched;
}

const PolicyDesk::Watched* PolicyDesk::Find(const Uuid& vm) const {
  const auto found = watched_.find(vm);
  return found == watched_.end() ? nullptr : found->second.get();
}

void PolicyDesk::ForgetTheGone() {
  std::erase_if(watched_, [this](const auto& entry) { return !parts_.find(entry.first); });
}

policy::EffectivePolicy PolicyDesk::PolicyOf(const ledger::VmIdentity& vm) const {
  const Watched* watched = Find(vm.uuid);
  const bool has_own = watched != nullptr && watched->own;
  return policy::PolicyFor(parts_.config.policy, vm.name, has_own ? &*watched->own : nullptr);
}

bool PolicyDesk::MayRestartTransient(const Uuid& vm) const {
  const auto live = parts_.find(vm);
  return live && PolicyOf(live->identity).restart_transient;
}

void PolicyDesk::ExitsLost(const Uuid& vm, std::uint64_t lost) {
  const auto live = parts_.find(vm);
  if (!live || !live->incarnation) return;
  Watched& watched = Of(vm);
  if (watched.losses_of != *live->incarnation) watched.losses.clear();
  watched.losses_of = *live->incarnation;
  if (watched.losses.size() < kMostLosses) {
    watched.losses.push_back({parts_.clock.WallNow(), lost});
  } else {
    watched.losses.back() = {parts_.clock.WallNow(), watched.losses.back().count + lost};
  }
  Recheck(vm);
}

void PolicyDesk::UseDomainPolicy(const ledger::VmIdentity& vm,
                                 const std::optional<std::string>& text) {
  Watched& watched = Of(vm.uuid);
  if (watched.own_text == text) return;
  watched.own_text = text;
  watched.own.reset();
  watched.own_errors.clear();
  if (text) {
    auto own = config::ParseVmPolicy("metadata of " + vm.name, *text, parts_.config.policy, vm.name,
                                     parts_.config.host_retire != config::HostRetire::kOff);
    if (own) {
      watched.own = std::move(*own);
    } else {
      for (const yaml::Diagnostic& wrong : own.error()) {
        watched.own_errors.push_back(wrong.Render());
        parts_.log.Error("domain_policy_ignored", {{"vm", vm.name}, {"why", wrong.Render()}});
      }
    }
  }
  if (watched.own) parts_.log.Info("domain_policy", {{"vm", vm.name}});
  Recheck(vm.uuid);
}

void PolicyDesk::Recheck(const Uuid& vm) {
  LookAt(vm, Of(vm), kPause);
}

void PolicyDesk::LookAt(const Uuid& vm, Watched& watched, std::chrono::nanoseconds wait) {
  if (watched.looking) {
    watched.again = true;
    return;
  }
  const MonoTime due = parts_.clock.Now() + wait;
  if (watched.due && *watched.due <= due) return;
  watched.due = due;
  watched.timer.Start(wait, [weak = weak_from_this(), vm] {
    if (const auto self = weak.lock()) self->Look(vm);
  });
}

std::optional<PolicyDesk::Question> PolicyDesk::Ask(const Uuid& vm) const {
  const auto live = parts_.find(vm);
  if (!live || !live->incarnation) return std::nullopt;
  Question question{live->identity, *live->incarnation, PolicyOf(live->identity), {}};
  const Watched* watched = Find(vm);
  if (watched != nullptr && watched->losses_of == *live->incarnation)
    question.losses = watched->losses;
  return question;
}

void PolicyDesk::Look(const Uuid& vm) {
  Of(vm).due.reset();
  auto question = Ask(vm);
  if (!question || question->policy.rules.empty()) return;
  Of(vm).looking = true;
  // A write, also when nothing comes of it: it must see what was queued before it.
  parts_.ledger.Write<Answer>(
      [question = std::move(*question), &config = parts_.config.policy, &clock = parts_.clock](
          ledger::Ledger& l) { return Decide(l, question, config, clock.WallNow()); },
      [weak = weak_from_this(), vm](const Result<Answer>& answer) {
        if (const auto self = weak.lock()) self->Looked(vm, answer);
      });
}

Result<policy::Outcome> PolicyDesk::Evaluate(ledger::Ledger& ledger, const Question& question,
                                             WallTime now) {
  ledger::DecisionTable table = ledger.Decisions();
  auto facts = table.Facts(question.incarnation, now - LongestWindow(question.policy));
  if (!facts) return Forward(facts);
  facts->of(Condition::kLostExits) = question.losses;
  const auto history =
      table.HistoryOf(question.vm.uuid, question.incarnation, now - question.policy.limits.window);
  if (!history) return tl::unexpected<Error>(history.error());
  return policy::Decide(question.policy, *facts, *history, now);
}

Result<PolicyDesk::Answer> PolicyDesk::Decide(ledger::Ledger& ledger, const Question& question,
                                              const policy::PolicyConfig& config, WallTime now) {
  auto outcome = Evaluate(ledger, question, now);
  if (!outcome) return Forward(outcome);
  Answer answer{std::move(*outcome), {}};
  if (answer.outcome.decisions.empty()) return answer;
  std::vector<ledger::NewDecision> decisions;
  for (const policy::Decision& decision : answer.outcome.decisions)
    decisions.push_back({decision, ExpiryOf(decision, config, now)});
  auto rows = ledger.Decisions().Record(question.vm, question.incarnation, decisions);
  if (!rows) return Forward(rows);
  answer.rows = std::move(*rows);
  return answer;
}

void PolicyDesk::Looked(const Uuid& vm, const Result<Answer>& answer) {
  if (answer) {
    for (const ledger::DecisionRow& row : answer->rows) Log(row);
    parts_.actions.Take(answer->rows);
  } else {
    parts_.log.Error("policy_not_decided",
                     {{"vm_uuid", FormatUuid(vm)}, {"why", answer.error().Text()}});
  }
  const auto found = watched_.find(vm);
  if (found == watched_.end()) return;
  Watched& watched = *found->second;
  watched.looking = false;
  if (std::exchange(watched.again, false)) return LookAt(vm, watched, kPause);
  if (!answer || !answer->outcome.again) return;
  const auto wait = *answer->outcome.again - parts_.clock.WallNow();
  LookAt(vm, watched, std::clamp<std::chrono::nanoseconds>(wait, kPause, kLongestWait));
}

void PolicyDesk::Log(const ledger::DecisionRow& row) const {
  parts_.log.Warning("policy_decision",
                     {{"vm", row.vm.name},
                      {"decision", std::to_string(row.id)},
                      {"rule", row.rule},
                      {"action", std::string(row.action.word())},
                      {"sink", row.action.sink.empty() ? "none" : row.action.sink},
                      {"state", std::string(ToString(row.state))},
                      {"reason", row.reason}});
}

void PolicyDesk::Explain(const ledger::VmIdentity& vm,
                         std::function<void(Result<observe::PolicyReport>)> done) {
  const auto question = Ask(vm.uuid);
  observe::PolicyReport report;
  report.vm = vm;
  report.running = question.has_value();
  if (const Watched* watched = Find(vm.uuid)) {
    report.own_policy = watched->own_text.has_value();
    report.own_errors = watched->own_errors;
  }
  const policy::EffectivePolicy policy = PolicyOf(vm);
  report.dry_run = policy.dry_run;
  if (!question)
    for (const policy::Rule& rule : policy.rules) report.rules.push_back({rule, 0, false, {}});
  parts_.ledger.Read<observe::PolicyReport>(
      [report = std::move(report), question,
       &clock = parts_.clock](ledger::Ledger& l) -> Result<observe::PolicyReport> {
        observe::PolicyReport full = report;
        if (question) {
          auto outcome = Evaluate(l, *question, clock.WallNow());
          if (!outcome) return Forward(outcome);
          full.rules = std::move(outcome->rules);
        }
        auto decisions = l.Decisions().Newest(full.vm.uuid, kDecisionsShown);
        if (!decisions) return Forward(decisions);
        full.decisions = std::move(*decisions);
        return full;
      },
      std::move(done));
}

}  // namespace seaward
