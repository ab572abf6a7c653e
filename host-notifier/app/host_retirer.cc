#include "host-notifier/app/host_retirer.h"

#include <memory>

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
  const auto before = std::make_shared<bool>(false);
  RetireAll(
      [page, before](ledger::Ledger& l) -> Result<Frames> {
        auto row = l.View().Page(page);
        if (!row) return Forward(row);
        *before = row->host_retired == ledger::HostRetired::kYes;
        if (row->host_retired != ledger::HostRetired::kPending || !row->host_frame) return Frames{};
        return Frames{{row->id, row->vm, row->incarnation, *row->host_frame, row->life, false}};
      },
      [before, done = std::move(done)](const Attempts& attempts) {
        done(attempts.empty() ? *before : attempts.front().outcome.has_value());
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
  RetireFrames([this, incarnation](const ledger::PendingFrame& pending) {
    return pending.incarnation == incarnation && !config_.HasFixedBacking(pending.vm.name);
  });
}

void HostRetirer::CatchUp() {
  // What the domain was is forgotten; at the end it makes no difference.
  if (!RetiresFrameAt(RetireMoment::kVmEnded, config_.host_retire, false)) return;
  RetireFrames([this](const ledger::PendingFrame& pending) {
    return pending.vm_ended && !config_.HasFixedBacking(pending.vm.name);
  });
}

void HostRetirer::RetireFrames(std::function<bool(const ledger::PendingFrame&)> chosen) {
  RetireAll(
      [chosen = std::move(chosen)](ledger::Ledger& l) {
        auto pending = l.View().PendingHostRetirements();
        if (pending) std::erase_if(*pending, std::not_fn(chosen));
        return pending;
      },
      [](const Attempts&) {});
}

void HostRetirer::RetireAll(std::function<Result<Frames>(ledger::Ledger&)> find,
                            std::function<void(const Attempts&)> tell) {
  // Outlives repetitions of the job: a repeated write to hard_offline_page acts, and reports, anew.
  const auto attempts = std::make_shared<Attempts>();
  ledger_.Write<void>(
      [find = std::move(find), attempts, &memory = memory_, &retired = retired_,
       &clock = clock_](ledger::Ledger& l) -> Status {
        if (attempts->empty()) {
          const auto frames = find(l);
          if (!frames) return tl::unexpected<Error>(frames.error());
          // All of them before anything is recorded: a record needs memory, and the host's kernel
          // hands out first what was freed last, which is what an ended VM has just given back.
          for (const ledger::PendingFrame& frame : *frames) {
            retired.Add(frame.frame, frame.vm.uuid, clock.Now());
            attempts->push_back({frame, memory.Retire(frame.frame)});
          }
        }
        for (const Attempt& attempt : *attempts)
          if (auto recorded = Record(l, attempt); !recorded) return recorded;
        return {};
      },
      [this, attempts, tell = std::move(tell)](const Status& recorded) {
        if (!recorded && attempts->empty())
          log_.Error("host_frames_unknown", {{"why", recorded.error().Text()}});
        for (const auto& [frame, outcome] : *attempts)
          log_.Info("host_page", {{"vm", frame.vm.name},
                                  {"page", std::to_string(frame.page)},
                                  {"frame", FormatAddress(frame.frame.number)},
                                  {"host_retired", outcome ? "yes" : "refused"},
                                  {"recorded", recorded ? "yes" : recorded.error().Text()}});
        tell(*attempts);
      });
}

Status HostRetirer::Record(ledger::Ledger& ledger, const Attempt& attempt) {
  if (attempt.outcome)
    return ledger.RecordHostRetirement(attempt.frame.page, ledger::HostRetired::kYes, 0);
  return ledger.RecordHostRetirement(attempt.frame.page, ledger::HostRetired::kRefused,
                                     attempt.outcome.error().sys_errno);
}

}  // namespace seaward
