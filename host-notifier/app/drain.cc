#include "host-notifier/app/drain.h"

#include <algorithm>
#include <utility>

namespace seaward {
namespace {

using std::chrono::milliseconds;

// Guests answer within milliseconds; nothing tells when the last of them did.
constexpr milliseconds kBetweenLooks{20};

bool IsAtRest(const observe::DrainResult& outstanding) {
  return outstanding.unrecorded_events == 0 && outstanding.unanswered_pages == 0;
}

}  // namespace

void Drain::Begin(std::chrono::seconds wait, Done done) {
  if (done_) return done(Fail(ErrorCode::kBusy, "somebody else waits for the notifier to drain"));
  if (!resting_) log_.Warning("draining", {{"effect", "no memory error is delivered"}});
  resting_ = true;
  done_ = std::move(done);
  begun_ = clock_.Now();
  until_ = begun_ + wait;
  rest_.Cancel();
  for (const auto& [uuid, vm] : vms_) vm->PauseIntake();
  Look();
}

void Drain::Look() {
  if (!done_) return;
  if (clock_.Now() >= until_) return Finish(false);
  if (!IsAtRest(Outstanding())) return look_.Start(kBetweenLooks, [this] { Look(); });
  // Behind every write that was asked for, the one at hand included.
  ledger_.Write<void>([](ledger::Ledger&) { return Status(); },
                      [this](const Status&) { Written(); });
  look_.Start(until_ - clock_.Now(), [this] { Look(); });
}

void Drain::Written() {
  if (!done_) return;
  look_.Cancel();
  if (IsAtRest(Outstanding()) && ledger_.waiting() == 0) return Finish(true);
  look_.Start(kBetweenLooks, [this] { Look(); });
}

void Drain::Finish(bool drained) {
  observe::DrainResult result = Outstanding();
  result.drained = drained;
  result.waited = std::chrono::duration_cast<milliseconds>(clock_.Now() - begun_);
  const Done done = std::exchange(done_, nullptr);
  if (drained) {
    result.resumes_in = kLongestRest;
    rest_.Start(kLongestRest, [this] { End(); });
    log_.Info("drained", {{"waited_ms", std::to_string(result.waited.count())}});
  } else {
    End();
  }
  done(std::move(result));
}

void Drain::End() {
  if (!resting_) return;
  resting_ = false;
  rest_.Cancel();
  look_.Cancel();
  log_.Info("drain_ended");
  // One that ends inside may leave the map.
  const Vms vms = vms_;
  for (const auto& [uuid, vm] : vms) vm->ResumeIntake();
  if (done_) std::exchange(done_, nullptr)(Fail(ErrorCode::kClosed, "the drain was ended"));
}

observe::DrainResult Drain::Outstanding() const {
  observe::DrainResult result;
  result.waiting_writes = ledger_.waiting();
  for (const auto& [uuid, vm] : vms_) {
    result.unrecorded_events += vm->event_counts().not_yet_recorded;
    if (vm->unanswered_pages() == 0) continue;
    if (vm->session_stands())
      result.unanswered_pages += vm->unanswered_pages();
    else
      result.silent_vms.push_back(vm->identity().name);
  }
  return result;
}

}  // namespace seaward
