// What the host's own kernel tells the notifier.
#include "host-notifier/app/notifier.h"
#include "host-notifier/hosttrace/trace_instance.h"

namespace seaward {
namespace {

// Of the folder in tracefs: one notifier per host.
constexpr char kInstance[] = "seaward";

}  // namespace

Status Notifier::OpenHostTrace() {
  const config::HostTraceConfig& wanted = config_.host_trace;
  if (wanted.mode == config::HostTraceMode::kOff) return {};
  auto pipe = OpenTraceInstance(wanted.tracefs, kInstance);
  if (!pipe) {
    if (wanted.mode == config::HostTraceMode::kOn) return Forward(pipe);
    host_trace_error_ = pipe.error().Text();
    log_.Info("host_trace_unavailable", {{"why", host_trace_error_}});
    return {};
  }
  // Not before: what the trace still holds may be an echo of what the last notifier retired.
  ledger_.Read<std::vector<PageFrame>>(
      [](ledger::Ledger& l) { return l.View().TriedFrames(); },
      [this, opened = std::make_shared<UniqueFd>(std::move(*pipe))](
          const Result<std::vector<PageFrame>>& frames) {
        if (!frames) log_.Error("host_frames_unknown", {{"why", frames.error().Text()}});
        if (frames)
          for (const PageFrame frame : *frames) retired_frames_.Add(frame);
        WatchHostTrace(std::move(*opened));
      });
  return {};
}

void Notifier::WatchHostTrace(UniqueFd pipe) {
  HostTrace::Listener listener;
  listener.failed = [this](const FrameFailure& failure) { frames_->HostKernelSaid(failure); };
  listener.lost = [this](std::uint64_t events) { frames_->HostKernelLost(events); };
  listener.ended = [this](const Error& why) { HostTraceEnded(why); };
  auto trace = HostTrace::Watch(loop_, std::move(pipe), std::move(listener));
  if (!trace) return HostTraceEnded(trace.error());
  host_trace_ = std::move(*trace);
  log_.Info("host_trace_open", {{"tracefs", config_.host_trace.tracefs}});
}

void Notifier::HostTraceEnded(const Error& why) {
  host_trace_error_ = why.Text();
  log_.Error("host_trace_ended",
             {{"why", host_trace_error_}, {"effect", "errors of the host's kernel are not heard"}});
  host_trace_.reset();
}

}  // namespace seaward
