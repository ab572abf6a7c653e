#include "host-notifier/app/intervention.h"

namespace seaward {
namespace {

using ledger::DecisionRow;
using policy::ActionEvent;

StepEnd NotNow() {
  return {};
}
StepEnd End(ActionEvent event, std::string text) {
  return {event, {.result = std::move(text)}};
}

constexpr char kNobodyKnows[] = "the notifier died while it was under way";

// libvirtd never heard of it.
bool NothingWasDone(const Error& error) {
  return error.code == ErrorCode::kClosed;
}

}  // namespace

ledger::AttemptNote Intervention::Later(const std::string& why) const {
  return {.result = why, .next = clock_.WallNow() + retry_};
}

void Intervention::Prepare(const DecisionRow& row, Done done) {
  hands_.Look(row.vm.uuid, [this, row, done = std::move(done)](const Result<DomainState>& now) {
    if (!now && now.error().code != ErrorCode::kUnsupported) return done(NotNow());
    if (!now) return done(End(ActionEvent::kImpossible, now.error().Text()));
    if (!now->running) return done(End(ActionEvent::kImpossible, "the VM does not run"));
    const bool restart = row.action.intervention == policy::Intervention::kColdRestart;
    if (restart && !now->persistent && !hands_.MayRestartTransient(row.vm.uuid))
      return done(End(ActionEvent::kImpossible,
                      "a transient domain, which ends with its process; see restart_transient"));
    if (restart && hands_.HasFixedBacking(row.vm.name))
      return done(
          End(ActionEvent::kImpossible, "its memory stays with its bad pages; see fixed_backing"));
    StepEnd begin{ActionEvent::kBegin, {}};
    if (restart) begin.note.kept_xml = now->xml;
    done(begin);
  });
}

void Intervention::Carry(const DecisionRow& row, Done done) {
  switch (row.action.intervention) {
    case policy::Intervention::kColdRestart:
      return Stop(row, std::move(done));
    case policy::Intervention::kPause:
    case policy::Intervention::kReset:
      break;
    case policy::Intervention::kNone:
      return done(End(ActionEvent::kImpossible, "no such intervention"));
  }
  const bool pause = row.action.intervention == policy::Intervention::kPause;
  hands_.Give(row.vm.uuid, pause ? DomainOrder::kPause : DomainOrder::kReset,
              [this, pause, done = std::move(done)](const Status& given) {
                if (given) return done(End(ActionEvent::kSucceeded, "done"));
                const std::string why = given.error().Text();
                // A second pause changes nothing; a second reset may be one too many.
                if (pause || NothingWasDone(given.error()))
                  return done({ActionEvent::kFailedForNow, Later(why)});
                done(End(ActionEvent::kFailedForGood, why));
              });
}

void Intervention::Stop(const DecisionRow& row, Done done) {
  hands_.Give(row.vm.uuid, DomainOrder::kStop,
              [this, row, done = std::move(done)](const Status& given) {
                if (!given) return StopFailed(row, given.error(), done);
                hands_.RetireFrames(row.vm.uuid, row.incarnation);
                done(End(ActionEvent::kVmStopped, "stopped"));
              });
}

// It may be stopped all the same.
void Intervention::StopFailed(const DecisionRow& row, const Error& why, Done done) {
  const auto failed = [this, text = why.Text(), done](bool stopped) {
    if (!stopped) return done({ActionEvent::kFailedForNow, Later(text)});
    done(End(ActionEvent::kVmStopped, "stopped, although: " + text));
  };
  if (NothingWasDone(why)) return failed(false);
  hands_.Look(row.vm.uuid, [this, row, failed](const Result<DomainState>& now) {
    const bool stopped = now && !now->running;
    if (stopped) hands_.RetireFrames(row.vm.uuid, row.incarnation);
    failed(stopped);
  });
}

void Intervention::Start(const DecisionRow& row, Done done) {
  hands_.StartDomain(row.vm.uuid, row.kept_xml,
                     [this, row, done = std::move(done)](const Status& started) {
                       if (started)
                         return done(End(ActionEvent::kSucceeded, "started in new memory"));
                       StartFailed(row, started.error(), done);
                     });
}

void Intervention::StartFailed(const DecisionRow& row, const Error& why, Done done) {
  hands_.Look(row.vm.uuid, [this, row, text = why.Text(),
                            done = std::move(done)](const Result<DomainState>& now) {
    if (now && now->running) return done(End(ActionEvent::kSucceeded, "it runs in new memory"));
    if (clock_.WallNow() >= row.expires) return done(End(ActionEvent::kTooLate, text));
    done({ActionEvent::kFailedForNow, Later(text)});
  });
}

void Intervention::Judge(const DecisionRow& row, Done done) {
  const auto intervention = row.action.intervention;
  if (intervention == policy::Intervention::kReset)
    return done(End(ActionEvent::kInterrupted, kNobodyKnows));
  hands_.Look(row.vm.uuid,
              [this, row, intervention, done = std::move(done)](const Result<DomainState>& now) {
                if (!now && now.error().code == ErrorCode::kUnsupported)
                  return done(End(ActionEvent::kImpossible, now.error().Text()));
                if (!now) return done(NotNow());
                if (intervention == policy::Intervention::kPause) {
                  if (now->paused) return done(End(ActionEvent::kSucceeded, "it is paused"));
                  return done(End(ActionEvent::kInterrupted, kNobodyKnows));
                }
                if (!now->running) {
                  hands_.RetireFrames(row.vm.uuid, row.incarnation);
                  return done(End(ActionEvent::kVmStopped, "found stopped"));
                }
                const auto memory = hands_.Incarnation(row.vm.uuid);
                if (!memory) return done(NotNow());
                if (*memory == row.incarnation)
                  return done(End(ActionEvent::kNothingDone, "the VM was not stopped yet"));
                done(End(ActionEvent::kSucceeded, "it runs in new memory"));
              });
}

}  // namespace seaward
