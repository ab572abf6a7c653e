#include "host-notifier/ring/fd_disposer.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "host-notifier/ring/received_descriptors.h"

namespace seaward::ring {

struct FdDisposer::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<UniqueFd> queue;
  std::size_t pending = 0;
  bool running = false;
  bool stop = false;

  void Run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return stop || !queue.empty(); });
      if (queue.empty()) return;
      UniqueFd fd = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      fd.Reset();
      lock.lock();
      --pending;
    }
  }
};

FdDisposer::FdDisposer() : shared_(std::make_shared<Shared>()) {}

FdDisposer::~FdDisposer() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_one();
}

void FdDisposer::Dispose(UniqueFd fd) {
  if (!fd.valid() || ClosesAtOnce(fd.get())) return;
  const std::lock_guard lock(shared_->mutex);
  shared_->queue.push_back(std::move(fd));
  ++shared_->pending;
  if (!shared_->running) {
    try {
      std::thread([shared = shared_] { shared->Run(); }).detach();
      shared_->running = true;
    } catch (const std::system_error&) {
      return;  // kept open and counted; the next refusal tries again
    }
  }
  shared_->changed.notify_one();
}

std::size_t FdDisposer::pending() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->pending;
}

}  // namespace seaward::ring
