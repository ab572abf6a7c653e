// What operators do to one running VM.
#include <utility>

#include "host-notifier/app/vm.h"

namespace seaward {

void Vm::Clear(const ByteRange& range, const ledger::AuditRow& entry,
               std::function<void(Result<std::vector<ledger::PageRow>>)> done) {
  if (!incarnation_) return done(Fail(ErrorCode::kBusy, identity_.name + " does not run"));
  context_.ledger.Write<std::vector<ledger::PageRow>>(
      [incarnation = *incarnation_, range, entry](ledger::Ledger& l) {
        return l.ClearPages(incarnation, range, entry);
      },
      [weak = weak_from_this(),
       done = std::move(done)](Result<std::vector<ledger::PageRow>> cleared) {
        if (const auto self = weak.lock(); self != nullptr && cleared) self->Cleared(*cleared);
        done(std::move(cleared));
      });
}

void Vm::Cleared(const std::vector<ledger::PageRow>& pages) {
  std::vector<ByteRange> ranges;
  for (const ledger::PageRow& page : pages) {
    context_.observer.PageChanged(page);
    if (page.incarnation != incarnation_) continue;
    intake_->book().Forget(page.id);
    ranges.push_back(page.range);
    log_.Info("page_cleared", {{"vm", identity_.name},
                               {"gpa", FormatAddress(page.range.start().value)},
                               {"page", std::to_string(page.id)}});
  }
  session_.Forget(ranges);
  AfterSession();
  migration_->Recheck();
}

bool Vm::Replay() {
  session_.Replay();
  AfterSession();
  return session_stands();
}

void Vm::Reload() {
  if (!process_ || !incarnation_) return;
  context_.ledger.Write<Known>(
      [identity = identity_, process = *process_, backing = Backing()](ledger::Ledger& l) {
        return LoadIncarnation(l, identity, process, backing);
      },
      [weak = weak_from_this(), process = *process_](const Result<Known>& known) {
        if (const auto self = weak.lock()) self->IncarnationKnown(process, known);
      });
}

void Vm::PauseIntake() {
  paused_ = true;
  OfferToRings();
  for (const auto& ring : rings_) ring->Pause();
}

void Vm::ResumeIntake() {
  paused_ = false;
  OfferToRings();
  ResumeRings();
}

}  // namespace seaward
