// One thread that runs libvirt's event loop: every call into libvirt happens there, because any of
// them may block for as long as libvirtd does.
//
// libvirt's loop is one per process, so only one EventThread may run at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/result.h"

namespace seaward {

class EventThread {
 public:
  static Result<std::unique_ptr<EventThread>> Start();
  // As Stop with a patience that only a thread stuck inside libvirt exhausts.
  ~EventThread();

  // Runs `task` on the thread, in order. From any thread. Dropped (destroyed, not run) after Stop.
  void Post(std::function<void()> task);

  // Runs what was posted before, then ends the thread. False when it is stuck inside libvirt for
  // longer than `patience`: it is then left behind, and only the process's end ends it.
  bool Stop(std::chrono::milliseconds patience);

 private:
  struct State;
  explicit EventThread(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace seaward
