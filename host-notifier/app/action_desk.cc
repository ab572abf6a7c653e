#include "host-notifier/app/action_desk.h"

#include <algorithm>

namespace seaward {
namespace {

using policy::ActionEvent;
using policy::ActionState;

// A wall clock that was set must not make anybody wait for hours.
constexpr std::chrono::minutes kLongestWait{10};
// Each hook is a process; a burst of decisions must not become a burst of processes.
constexpr std::size_t kToldAtOnce = 16;

}  // namespace

ActionDesk::ActionDesk(const Parts& parts)
    : parts_(parts),
      intervention_(parts.hands, parts.clock, 5 * parts.pause),
      teller_(parts.loop, parts.clock, parts.config, parts.host) {}

void ActionDesk::Resume() {
  // As a write: it must come behind those that are waiting.
  parts_.ledger.Write<std::vector<Row>>(
      [](ledger::Ledger& l) { return l.Decisions().Open(); },
      [weak = weak_from_this()](const Result<std::vector<Row>>& rows) {
        const auto self = weak.lock();
        if (self == nullptr) return;
        if (!rows) {
          self->parts_.log.Error("open_actions_unknown", {{"why", rows.error().Text()}});
          return;
        }
        for (const Row& row : *rows)
          if (!self->jobs_.contains(row.id)) self->Open(row, row.state == ActionState::kUnderWay);
      });
}

void ActionDesk::Take(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    if (policy::IsOpen(row.state)) {
      if (!jobs_.contains(row.id)) Open(row, false);
    } else {
      Close(row);
    }
  }
}

void ActionDesk::Open(const Row& row, bool left_over) {
  auto& job = jobs_[row.id];
  job = std::make_unique<Job>(parts_.loop, row);
  job->left_over = left_over;
  StepAt(row.id, row.state == ActionState::kPending ? row.next - parts_.clock.WallNow()
                                                    : std::chrono::nanoseconds(0));
}

void ActionDesk::StepAt(std::uint64_t id, std::chrono::nanoseconds wait) {
  const auto job = jobs_.find(id);
  if (job == jobs_.end()) return;
  job->second->timer.Start(
      std::clamp<std::chrono::nanoseconds>(wait, std::chrono::nanoseconds(0), kLongestWait),
      [weak = weak_from_this(), id] {
        if (const auto self = weak.lock()) self->Step(id);
      });
}

void ActionDesk::Step(std::uint64_t id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  Job& job = *found->second;
  switch (job.row.state) {
    case ActionState::kPending:
      return Begin(job);
    case ActionState::kUnderWay:
      if (job.left_over) return Judge(job);
      if (job.row.action.IsIntervention()) return intervention_.Carry(job.row, Ended(id));
      return Tell(job.row);
    case ActionState::kRestarting:
      return intervention_.Start(job.row, Ended(id));
    case ActionState::kDryRun:
    case ActionState::kLimited:
    case ActionState::kRefused:
    case ActionState::kDone:
    case ActionState::kFailed:
    case ActionState::kExpired:
    case ActionState::kUnknown:
      return;
  }
}

void ActionDesk::Begin(Job& job) {
  const Row& row = job.row;
  const WallTime now = parts_.clock.WallNow();
  if (now >= row.expires)
    return Record(row.id, ActionEvent::kTooLate,
                  {.result = row.result.empty() ? "not done in time" : row.result});
  if (row.next > now) return StepAt(row.id, row.next - now);
  if (!row.action.IsIntervention()) return BeginNotice(job);
  const auto memory = parts_.hands.Incarnation(row.vm.uuid);
  if (memory && *memory != row.incarnation)
    return Record(row.id, ActionEvent::kTooLate, {.result = "the VM has other memory by now"});
  intervention_.Prepare(row, Ended(row.id));
}

void ActionDesk::BeginNotice(Job& job) {
  if (!teller_.Knows(job.row.action.sink))
    return Record(job.row.id, ActionEvent::kImpossible,
                  {.result = "no hook or webhook of this name any more"});
  if (telling_.size() >= kToldAtOnce) return waiting_.push_back(job.row.id);
  telling_.insert(job.row.id);
  Record(job.row.id, ActionEvent::kBegin, {});
}

void ActionDesk::Tell(const Row& row) {
  teller_.Tell(row, [weak = weak_from_this(), id = row.id](const StepEnd& end) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->Told(id);
    self->Record(id, *end.event, end.note);
  });
}

void ActionDesk::Told(std::uint64_t id) {
  if (telling_.erase(id) == 0 || waiting_.empty()) return;
  const std::uint64_t next = waiting_.front();
  waiting_.pop_front();
  StepAt(next, std::chrono::nanoseconds(0));
}

void ActionDesk::Judge(Job& job) {
  const Row& row = job.row;
  if (row.action.IsIntervention()) return intervention_.Judge(row, Ended(row.id));
  constexpr char kWhy[] = "the notifier died while it was under way";
  Record(row.id, teller_.MayRepeat(row) ? ActionEvent::kNothingDone : ActionEvent::kInterrupted,
         {.result = kWhy, .next = parts_.clock.WallNow()});
}

Intervention::Done ActionDesk::Ended(std::uint64_t id) {
  return [weak = weak_from_this(), id](const StepEnd& end) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    if (!end.event) return self->StepAt(id, self->parts_.pause);
    self->Record(id, *end.event, end.note);
  };
}

void ActionDesk::Record(std::uint64_t id, ActionEvent event, const ledger::AttemptNote& note) {
  parts_.ledger.Write<Row>(
      [id, event, note](ledger::Ledger& l) { return l.Decisions().Advance(id, event, note); },
      [weak = weak_from_this(), id, event, note](const Result<Row>& row) {
        if (const auto self = weak.lock()) self->Recorded(id, event, note, row);
      });
}

void ActionDesk::Recorded(std::uint64_t id, ActionEvent event, const ledger::AttemptNote& note,
                          const Result<Row>& row) {
  const auto job = jobs_.find(id);
  if (job == jobs_.end()) return;
  if (!row && row.error().code == ErrorCode::kLimit) {
    // What happened must not be forgotten because much else happens.
    job->second->timer.Start(parts_.pause, [weak = weak_from_this(), id, event, note] {
      if (const auto self = weak.lock()) self->Record(id, event, note);
    });
    return;
  }
  if (!row) {
    parts_.log.Error("action_not_recorded",
                     {{"decision", std::to_string(id)}, {"why", row.error().Text()}});
    jobs_.erase(job);  // its row is gone, or says something else
    return Told(id);
  }
  job->second->row = *row;
  job->second->left_over = false;
  parts_.log.Info("action", {{"vm", row->vm.name},
                             {"decision", std::to_string(id)},
                             {"rule", row->rule},
                             {"action", std::string(row->action.word())},
                             {"sink", row->action.sink.empty() ? "none" : row->action.sink},
                             {"state", std::string(ToString(row->state))},
                             {"attempt", std::to_string(row->attempts)},
                             {"result", row->result.empty() ? "none" : row->result}});
  if (policy::IsOpen(row->state))
    return StepAt(id, row->state == ActionState::kUnderWay ? std::chrono::nanoseconds(0)
                                                           : row->next - parts_.clock.WallNow());
  jobs_.erase(job);
  Close(*row);
}

void ActionDesk::Close(const Row& row) {
  ++counts_[{std::string(row.action.word()), std::string(ToString(row.state))}];
  const bool down = row.state == ActionState::kFailed && row.action.IsIntervention();
  if (down || row.state == ActionState::kUnknown)
    parts_.log.Error("action_needs_a_person", {{"vm", row.vm.name},
                                               {"rule", row.rule},
                                               {"action", std::string(row.action.word())},
                                               {"state", std::string(ToString(row.state))},
                                               {"result", row.result}});
}

}  // namespace seaward
