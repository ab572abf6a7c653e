// Waits for the port, devices, signals and deadlines, and drives an agent. One thread; no wake-up
// without a reason.
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "guest-agent/app/agent.h"
#include "guest-agent/boot/early_stage.h"

namespace seaward::agent {

// Blocks SIGTERM and SIGINT, ignores SIGPIPE; the signals are read from the descriptor instead.
Result<UniqueFd> TakeStopSignals();

class AgentLoop {
 public:
  // `stop_fd` becomes readable when the loop shall end. All outlive the loop.
  static Result<AgentLoop> Make(Agent& agent, const Clock& clock, int stop_fd);

  // Until stopped. Here and below: the agent has looked for its port once.
  Status Run();
  // Until the early stage ends, or stopped.
  Result<EarlyEnd> RunEarly(const EarlyStage& early);

 private:
  AgentLoop(Agent& agent, const Clock& clock, int stop_fd, UniqueFd epoll)
      : agent_(agent), clock_(clock), stop_fd_(stop_fd), epoll_(std::move(epoll)) {}

  // Waits until `deadline` at most and serves what happened; false: stopped.
  Result<bool> Step(std::optional<MonoTime> deadline);
  Status WatchWhatIsThere();
  Status Watch(int fd, int& watched, unsigned events);
  int WaitMs(std::optional<MonoTime> deadline) const;

  Agent& agent_;
  const Clock& clock_;
  int stop_fd_;
  UniqueFd epoll_;
  int watched_port_ = -1;
  int watched_devices_ = -1;
  int watched_uevents_ = -1;
  int watched_clock_ = -1;
};

}  // namespace seaward::agent
