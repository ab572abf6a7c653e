#include "host-notifier/libvirt/event_thread.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <sys/eventfd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/unique_fd.h"

namespace seaward {

struct EventThread::State {
  std::mutex mutex;
  std::condition_variable ended_changed;
  std::deque<std::function<void()>> tasks;
  bool stopping = false;
  bool ended = false;
  UniqueFd wakeup;
  std::thread thread;

  void RunTasks() {
    for (;;) {
      std::function<void()> task;
      {
        const std::lock_guard lock(mutex);
        if (tasks.empty()) return;
        task = std::move(tasks.front());
        tasks.pop_front();
      }
      task();
    }
  }
  bool Stopping() {
    const std::lock_guard lock(mutex);
    return stopping;
  }
};

Result<std::unique_ptr<EventThread>> EventThread::Start() {
  auto state = std::make_shared<State>();
  state->wakeup = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state->wakeup.valid()) return FailErrno(errno, "eventfd");
  // Without this libvirt prints every error to stderr by itself.
  virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
  if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
    return Fail(ErrorCode::kIo, "libvirt: cannot register its event loop");
  const auto on_wakeup = [](int, int fd, int, void* opaque) {
    eventfd_t count = 0;
    static_cast<void>(::eventfd_read(fd, &count));
    static_cast<State*>(opaque)->RunTasks();
  };
  const int watch = virEventAddHandle(state->wakeup.get(), VIR_EVENT_HANDLE_READABLE, on_wakeup,
                                      state.get(), nullptr);
  if (watch < 0) return Fail(ErrorCode::kIo, "libvirt: cannot watch the wakeup eventfd");
  state->thread = std::thread([state, watch] {
    while (!state->Stopping() && virEventRunDefaultImpl() == 0) {
    }
    state->RunTasks();
    virEventRemoveHandle(watch);
    const std::lock_guard lock(state->mutex);
    state->ended = true;
    state->ended_changed.notify_all();
  });
  return std::unique_ptr<EventThread>(new EventThread(std::move(state)));
}

EventThread::~EventThread() {
  Stop(std::chrono::seconds(2));
}

void EventThread::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopping) return;
    state_->tasks.push_back(std::move(task));
  }
  static_cast<void>(::eventfd_write(state_->wakeup.get(), 1));
}

bool EventThread::Stop(std::chrono::milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  static_cast<void>(::eventfd_write(state_->wakeup.get(), 1));
  const bool ended =
      state_->ended_changed.wait_for(lock, patience, [this] { return state_->ended; });
  lock.unlock();
  if (!state_->thread.joinable()) return ended;
  if (ended) {
    state_->thread.join();
  } else {
    state_->thread.detach();
  }
  return ended;
}

}  // namespace seaward
