#include "host-notifier/app/migration_watch.h"

#include <utility>

namespace seaward {
namespace {

// Between looks at a VM that is unsafe already: a storm of errors changes no more than the counts.
constexpr std::chrono::seconds kPause{1};

DomainMark MarkOf(const observe::MigrationState& state) {
  return {state.safe, state.reason, state.unhealed_pages};
}

}  // namespace

MigrationWatch::MigrationWatch(const Parts& parts, ledger::VmIdentity vm, LiveFacts live,
                               Changed changed)
    : parts_(parts),
      vm_(std::move(vm)),
      live_(std::move(live)),
      changed_(std::move(changed)),
      pause_(parts.loop) {}

void MigrationWatch::Begin(const Uuid& incarnation) {
  incarnation_ = incarnation;
  marked_.reset();  // metadata of the live domain goes with the process, or comes from elsewhere
  state_ = MigrationNotKnownYet();
  pausing_ = false;
  Read();
}

void MigrationWatch::Stop() {
  incarnation_.reset();
  pause_.Cancel();
  pausing_ = false;
  state_ = {};
}

void MigrationWatch::Recheck() {
  if (!incarnation_ || pausing_) return;
  if (state_.safe) return Read();
  pausing_ = true;
  pause_.Start(kPause, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->pausing_ = false;
    self->Read();
  });
}

void MigrationWatch::Read() {
  again_ = reading_;
  if (!incarnation_ || std::exchange(reading_, true)) return;
  Judge([weak = weak_from_this(),
         incarnation = *incarnation_](const Result<observe::MigrationState>& state) {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->reading_ = false;
    if (self->incarnation_ != incarnation || std::exchange(self->again_, false))
      return self->Read();
    if (!state) {
      self->parts_.log.Error("migration_not_judged",
                             {{"vm", self->vm_.name}, {"why", state.error().Text()}});
      return;
    }
    self->Take(*state);
  });
}

void MigrationWatch::Judge(std::function<void(Result<observe::MigrationState>)> done) {
  if (!incarnation_) return done(observe::MigrationState{});
  parts_.ledger.Read<ledger::UnhealedMemory>(
      [incarnation = *incarnation_](ledger::Ledger& l) { return l.View().Unhealed(incarnation); },
      [weak = weak_from_this(), done = std::move(done)](Result<ledger::UnhealedMemory> unhealed) {
        if (!unhealed) return done(Forward(unhealed));
        const auto self = weak.lock();
        if (self == nullptr || !self->incarnation_) return done(observe::MigrationState{});
        MigrationFacts facts = self->live_();
        facts.unhealed = *unhealed;
        done(JudgeMigration(facts));
      });
}

void MigrationWatch::Take(const observe::MigrationState& state) {
  state_ = state;
  changed_(state_);
  WriteMark();
}

void MigrationWatch::RetryMark() {
  if (!reading_) WriteMark();
}

void MigrationWatch::WriteMark() {
  if (!incarnation_ || parts_.marker == nullptr || marking_) return;
  const DomainMark mark = MarkOf(state_);
  if (marked_ == mark) return;
  marking_ = true;
  parts_.marker->WriteMark(
      vm_.uuid, mark,
      [weak = weak_from_this(), incarnation = *incarnation_, mark](const Status& done) {
        if (const auto self = weak.lock()) self->MarkWritten(incarnation, mark, done);
      });
}

void MigrationWatch::MarkWritten(const Uuid& incarnation, const DomainMark& mark,
                                 const Status& done) {
  marking_ = false;
  if (!incarnation_) return;
  if (*incarnation_ != incarnation) return WriteMark();  // it went into another process's metadata
  if (!done) {
    // Tried again when the domain is seen again, or the word changes.
    parts_.log.Warning("mark_not_written", {{"vm", vm_.name}, {"why", done.error().Text()}});
    return;
  }
  marked_ = mark;
  if (!reading_) WriteMark();  // the word may have changed meanwhile
}

}  // namespace seaward
