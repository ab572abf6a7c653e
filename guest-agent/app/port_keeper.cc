#include "guest-agent/app/port_keeper.h"

#include <algorithm>

#include "guest-agent/port/port_finder.h"

namespace seaward::agent {
namespace {

// The port can be held by an agent that is just stopping (an update): soon, then ever more rarely.
constexpr std::chrono::milliseconds kFirstDelay{200};
constexpr std::chrono::milliseconds kLongestDelay{30000};

}  // namespace

PortKeeper::PortKeeper(const SystemRoots& roots, std::string name, const Clock& clock,
                       const Logger& log)
    : roots_(roots), name_(std::move(name)), clock_(clock), log_(log), delay_(kFirstDelay) {}

void PortKeeper::Watch() {
  if (watcher_) {
    watcher_->Drain();
    return;
  }
  if (auto watcher = PortWatcher::Open()) watcher_.emplace(std::move(*watcher));
}

bool PortKeeper::Look() {
  if (port_) return false;
  next_look_.reset();
  // Listen first: a port that appears between looking and listening would be missed.
  Watch();
  auto node = FindPort(roots_.sys, roots_.dev, name_);
  auto port = node ? AgentPort::Open(*node) : Result<AgentPort>(Forward(node));
  if (port) {
    log_.Info("port_open", {{"node", *node}});
    port_.emplace(std::move(*port));
    watcher_.reset();
    delay_ = kFirstDelay;
    last_trouble_.clear();
    return true;
  }
  // Said once per reason: a machine without the port is a normal machine.
  if (port.error().Text() != last_trouble_) {
    last_trouble_ = port.error().Text();
    log_.Info("port_missing", {{"why", last_trouble_}});
  }
  const bool wakes_by_itself = port.error().code == ErrorCode::kNotFound && watcher_.has_value();
  if (!wakes_by_itself) {
    next_look_ = clock_.Now() + delay_;
    delay_ = std::min(delay_ * 2, kLongestDelay);
  }
  return false;
}

void PortKeeper::Drop(const Error& why) {
  log_.Warning("port_lost", {{"why", why.Text()}});
  port_.reset();
  next_look_ = clock_.Now() + delay_;
}

}  // namespace seaward::agent
