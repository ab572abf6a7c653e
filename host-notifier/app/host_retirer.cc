#include "host-notifier/app/host_retirer.h"

#include "host-notifier/hostpage/host_retire_plan.h"

namespace seaward {

bool HostRetirer::RetiresHeld(bool has_ghes) const {
  return RetiresFrameAt(RetireMoment::kHeldExit, config_.host_retire, has_ghes);
}

void HostRetirer::RetireHeld(std::uint64_t page, std::function<void(bool)> done) {
  RetireNow(page, std::move(done));
}

void HostRetirer::RetireReplaced(std::uint64_t page, std::function<void(bool)> done) {
  if (!RetiresFrameAt(RetireMoment::kReplaced, config_.host_retire, false)) return done(false);
  RetireNow(page, std::move(done));
}

void HostRetirer::RetireNow(std::uint64_t page, std::function<void(bool)> done) {
  ledger_.Write<ledger::PageRow>(
      [page](ledger::Ledger& l) { return l.View().Page(page); },
      [this, done = std::move(done)](const Result<ledger::PageRow>& row) {
        if (!row || row->host_retired != ledger::HostRetired::kPending || !row->host_frame)
          return done(row && row->host_retired == ledger::HostRetired::kYes);
        Retire({row->id, row->vm, row->incarnation, *row->host_frame, row->life, false}, done);
      });
}

void HostRetirer::VerdictRecorded(const ledger::PageRow& page, bool has_ghes) {
  if (page.host_retired != ledger::HostRetired::kPending) return;
  const bool out_of_use =
      page.life == ledger::PageLife::kRetired || page.life == ledger::PageLife::kExcluded;
  if (!out_of_use && page.life != ledger::PageLife::kFailed) return;  // no last word yet
  const auto moment = out_of_use ? RetireMoment::kOutOfUse : RetireMoment::kStillInUse;
  if (!RetiresFrameAt(moment, config_.host_retire, has_ghes)) return;
  RetireFrames([id = page.id](const ledger::PendingFrame& pending) { return pending.page == id; });
}

void HostRetirer::VmEnded(const Uuid& incarnation, bool has_ghes) {
  if (!RetiresFrameAt(RetireMoment::kVmEnded, config_.host_retire, has_ghes)) return;
  RetireFrames([incarnation](const ledger::PendingFrame& pending) {
    return pending.incarnation == incarnation;
  });
}

void HostRetirer::CatchUp() {
  // What the domain was is forgotten; at the end it makes no difference.
  if (!RetiresFrameAt(RetireMoment::kVmEnded, config_.host_retire, false)) return;
  RetireFrames([](const ledger::PendingFrame& pending) { return pending.vm_ended; });
}

void HostRetirer::RetireFrames(std::function<bool(const ledger::PendingFrame&)> chosen) {
  // In order with the writes: frames of events that are on their way count.
  ledger_.Write<std::vector<ledger::PendingFrame>>(
      [](ledger::Ledger& l) { return l.View().PendingHostRetirements(); },
      [this, chosen = std::move(chosen)](const Result<std::vector<ledger::PendingFrame>>& pending) {
        if (!pending) return log_.Error("host_frames_unknown", {{"why", pending.error().Text()}});
        for (const ledger::PendingFrame& frame : *pending)
          if (chosen(frame)) Retire(frame, [](bool) {});
      });
}

void HostRetirer::Retire(const ledger::PendingFrame& pending, std::function<void(bool)> tell) {
  // Written once: a repeated write to hard_offline_page acts, and reports, anew.
  const auto outcome = std::make_shared<std::optional<Status>>();
  ledger_.Write<void>(
      [pending, outcome, &memory = memory_](ledger::Ledger& l) {
        if (!outcome->has_value()) outcome->emplace(memory.Retire(pending.frame));
        const Status& done = **outcome;
        const auto state = done ? ledger::HostRetired::kYes : ledger::HostRetired::kRefused;
        return l.RecordHostRetirement(pending.page, state, done ? 0 : done.error().sys_errno);
      },
      [this, pending, outcome, tell = std::move(tell)](const Status& recorded) {
        const bool yes = outcome->has_value() && (*outcome)->has_value();
        log_.Info("host_page", {{"vm", pending.vm.name},
                                {"page", std::to_string(pending.page)},
                                {"frame", FormatAddress(pending.frame.number)},
                                {"host_retired", yes ? "yes" : "refused"},
                                {"recorded", recorded ? "yes" : recorded.error().Text()}});
        tell(yes);
      });
}

}  // namespace seaward
