// Finds the port, keeps it open, and says when to look again. Opens nothing while it is told to
// wait: no wake-up without a reason.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "guest-agent/app/machine.h"
#include "guest-agent/port/agent_port.h"
#include "guest-agent/port/port_watcher.h"

namespace seaward::agent {

class PortKeeper {
 public:
  PortKeeper(const SystemRoots& roots, std::string name, const Clock& clock, const Logger& log);

  // Null while there is no port.
  AgentPort* port() { return port_ ? &*port_ : nullptr; }
  // Readable when a device appeared; -1 while nobody needs to know.
  int watch_fd() const { return watcher_ ? watcher_->fd() : -1; }

  // Looks for the port and opens it; true when there is one now that was not there before.
  bool Look();
  // The port failed.
  void Drop(const Error& why);
  // When to look again without a device event.
  std::optional<MonoTime> NextLook() const { return next_look_; }

 private:
  void Watch();

  SystemRoots roots_;
  std::string name_;
  const Clock& clock_;
  const Logger& log_;
  std::optional<AgentPort> port_;
  std::optional<PortWatcher> watcher_;
  std::optional<MonoTime> next_look_;
  std::chrono::milliseconds delay_;
  std::string last_trouble_;
};

}  // namespace seaward::agent
