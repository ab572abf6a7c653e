#include "host-notifier/chaos/runner.h"

#include <algorithm>
#include <functional>

#include "host-notifier/chaos/checks.h"

namespace seaward::chaos {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

// Between two looks: what people see as at once, and nothing to a notifier.
constexpr auto kLookEvery = 250ms;
// A notifier that was killed is back within RestartSec=1 and the time that its ledger takes to
// open; libvirt's answer, without which it knows no domain, may take its time behind it.
constexpr auto kComesBack = 60s;

// A page that was told and is not in the status is no longer wanted: healed, or its memory is gone,
// or predicted and the guest has booted. That none is missing is judged from the ledger.
bool IsAtRest(const PageRecord& page) {
  return page.told == 0 || page.life.empty() || IsFinal(page.life);
}

// Errors of a notifier that may take the same news later.
bool MayPass(ErrorCode code) {
  return code != ErrorCode::kInvalid && code != ErrorCode::kUnsupported;
}

}  // namespace

milliseconds Runner::Elapsed() const {
  return std::chrono::duration_cast<milliseconds>(waiting_.Now() - began_);
}

Result<RunRecord> Runner::Play(const Plan& plan, std::chrono::seconds settle_limit,
                               RunWords words) {
  auto before = witness_.ReadLedger();
  if (!before) return Forward(before);
  auto first = witness_.Look();
  if (!first) return Forward(first);
  boot_id_ = first->boot_id;
  lost_before_ = first->lost;
  settle_limit_ = settle_limit;
  run_ = {.scenario = std::move(words.scenario),
          .about = std::move(words.about),
          .vm = std::move(words.vm),
          .vm_uuid = std::move(words.vm_uuid),
          .seed = plan.seed,
          .began = waiting_.WallNow()};
  began_ = waiting_.Now();
  for (const PlannedAct& act : plan.acts) {
    (void)WaitUntil(act.pause_before, [] { return false; });
    if (waiting_.Interrupted()) break;
    PlayAct(act);
  }
  run_.interrupted = waiting_.Interrupted();
  // Nobody else will let it go.
  if (paused_) PlayAct({.pattern = {.act = Act::kResume}, .pause_before = {}, .pages = {}});
  Look();
  run_.took = Elapsed();
  if (auto after = witness_.ReadLedger()) {
    CheckRun(run_, *before, *after, now_);
  } else {
    run_.checks.push_back({"ledger", false, after.error().Text()});
  }
  return std::move(run_);
}

void Runner::PlayAct(const PlannedAct& act) {
  ActRecord record{.words = Describe(act), .act = act.pattern.act, .began = Elapsed()};
  run_.acts.push_back(record);
  if (progress_) progress_(run_, run_.acts.size());
  const Ended ended = Do(act);
  Look();
  ActRecord& done = run_.acts.back();
  done.took = Elapsed() - done.began;
  done.end = ended.end;
  done.detail = ended.detail;
}

Runner::Ended Runner::EndOf(const Status& status) {
  if (status) return {};
  const bool cannot = status.error().code == ErrorCode::kUnsupported;
  return {cannot ? ActEnd::kSkipped : ActEnd::kFailed, status.error().Text()};
}

Runner::Ended Runner::Do(const PlannedAct& act) {
  const auto comes_back = [&](Ended ended) {
    answers_ = false;
    lost_before_ = 0;  // the next notifier counts from nothing
    if (ended.end == ActEnd::kDone && !WaitUntil(kComesBack, [this] { return answers_; }))
      return Ended{ActEnd::kFailed, "the notifier did not come back"};
    return ended;
  };
  switch (act.pattern.act) {
    case Act::kPoison:
    case Act::kPoisonAgain:
      return Poison(act);
    case Act::kPause: {
      Ended ended = EndOf(victim_.Pause());
      paused_ = ended.end == ActEnd::kDone;
      return ended;
    }
    case Act::kResume:
      // Where the pause before it failed, there is nothing to let go.
      if (!paused_) return {ActEnd::kSkipped, "the VM is not paused"};
      paused_ = false;
      return EndOf(victim_.Resume());
    case Act::kReset:
      return EndOf(victim_.Reset());
    case Act::kReboot:
      return EndOf(victim_.Reboot());
    case Act::kKillAgent:
      return EndOf(victim_.KillAgent());
    case Act::kKillNotifier:
      return comes_back(EndOf(witness_.Kill()));
    case Act::kRestartNotifier:
      return comes_back(EndOf(witness_.Restart()));
    case Act::kWait:
      (void)WaitUntil(act.pattern.wait, [] { return false; });
      return {};
    case Act::kSettle:
      return Settle();
  }
  return {};
}

PageRecord& Runner::RecordOf(GuestPhysAddr page, const ActPattern& pattern) {
  const auto found = std::ranges::find(run_.pages, page, &PageRecord::page);
  if (found != run_.pages.end()) return *found;
  return run_.pages.emplace_back(PageRecord{.page = page, .way = pattern.way, .bad_at = Elapsed()});
}

Runner::Ended Runner::Poison(const PlannedAct& act) {
  for (const GuestPhysAddr page : act.pages) {
    if (waiting_.Interrupted()) return {ActEnd::kFailed, "interrupted"};
    Status made;
    if (act.pattern.act == Act::kPoison && act.pattern.way == PoisonWay::kGuestInject)
      made = victim_.InjectInGuest(page);
    if (act.pattern.act == Act::kPoison && act.pattern.way == PoisonWay::kHostFrame)
      made = victim_.RetireHostFrame(page);
    if (!made) return EndOf(made);
    if (Ended told = Tell(page, act.pattern); told.end != ActEnd::kDone) return told;
  }
  return {};
}

Runner::Ended Runner::Tell(GuestPhysAddr page, const ActPattern& pattern) {
  PageRecord& record = RecordOf(page, pattern);
  record.evidence = pattern.evidence;
  Status told;
  const bool taken = WaitUntil(kComesBack, [&] {
    told = witness_.Tell(page, pattern.evidence);
    return told.has_value() || !MayPass(told.error().code);
  });
  if (taken && told) {
    ++record.told;
    ++run_.news_told;
    record.final_at.reset();
    return {};
  }
  ++run_.news_refused;
  return {ActEnd::kFailed, told.error().Text()};
}

bool Runner::IsSettled() const {
  return answers_ && now_.session == "live" && std::ranges::all_of(run_.pages, IsAtRest);
}

Runner::Ended Runner::Settle() {
  Look();
  if (WaitUntil(settle_limit_, [this] { return IsSettled(); })) return {};
  if (waiting_.Interrupted()) return {ActEnd::kFailed, "interrupted"};
  const auto open = std::ranges::count_if(run_.pages, std::not_fn(IsAtRest));
  return {ActEnd::kFailed, "not at rest after " + std::to_string(settle_limit_.count()) +
                               " s: session " + (answers_ ? now_.session : "unknown") + ", " +
                               std::to_string(open) + " pages without a final verdict"};
}

bool Runner::WaitUntil(milliseconds limit, const std::function<bool()>& holds) {
  const MonoTime deadline = waiting_.Now() + limit;
  for (;;) {
    if (holds()) return true;
    const MonoTime now = waiting_.Now();
    if (now >= deadline || waiting_.Interrupted()) return false;
    waiting_.Sleep(std::min<milliseconds>(
        kLookEvery, std::chrono::duration_cast<milliseconds>(deadline - now) + 1ms));
    Look();
    if (progress_) progress_(run_, run_.acts.size());
  }
}

void Runner::Look() {
  auto seen = witness_.Look();
  answers_ = seen.has_value();
  if (!answers_) {
    lost_before_ = 0;
    return;
  }
  now_ = std::move(*seen);
  run_.losses_counted += now_.lost - std::min(now_.lost, lost_before_);
  lost_before_ = now_.lost;
  NoteBoot(now_.boot_id);
  NotePages();
}

void Runner::NoteBoot(const std::string& boot_id) {
  if (boot_id.empty() || boot_id == boot_id_) return;
  boot_id_ = boot_id;
  run_.boots.push_back({boot_id, Elapsed()});
  for (PageRecord& page : run_.pages) page.final_at.reset();
}

void Runner::NotePages() {
  for (PageRecord& page : run_.pages) {
    page.life.clear();
    for (const PagePicture& seen : now_.pages) {
      if (!seen.range.Contains(page.page)) continue;
      // One that is over may stand beside the one that counts.
      if (!page.life.empty() && (seen.life == "cleared" || seen.life == "closed")) continue;
      page.life = seen.life;
      page.outcome = seen.outcome;
      page.exposure_us = seen.exposure_us;
    }
    if (IsFinal(page.life) && !page.final_at) page.final_at = Elapsed();
    if (!IsFinal(page.life)) page.final_at.reset();
  }
}

}  // namespace seaward::chaos
