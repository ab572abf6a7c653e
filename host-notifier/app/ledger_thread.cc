#include "host-notifier/app/ledger_thread.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace seaward {
namespace {

// What a later attempt may cure; anything else is the write's own fault.
bool MayPass(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
    case ErrorCode::kBusy:
    case ErrorCode::kTimeout:
      return true;
    case ErrorCode::kInvalid:
    case ErrorCode::kNotFound:
    case ErrorCode::kExists:
    case ErrorCode::kClosed:
    case ErrorCode::kCorrupt:
    case ErrorCode::kDenied:
    case ErrorCode::kLimit:
    case ErrorCode::kUnsupported:
      return false;
  }
  return false;
}

}  // namespace

struct LedgerThread::State : std::enable_shared_from_this<State> {
  State(boost::asio::io_context& on_loop, std::unique_ptr<ledger::Ledger> opened, const Clock& by,
        Options with, HealthChanged tell)
      : loop(on_loop),
        ledger(std::move(opened)),
        clock(by),
        options(std::move(with)),
        health_changed(std::move(tell)) {}

  void Run();
  // Takes the next due task; false when it is time to end.
  bool Next(Task& task, Kind& kind);
  void DoWrite(Task task);
  void TellHealth(const std::optional<Error>& failing);
  void PostToLoop(std::function<void()> call);

  boost::asio::io_context& loop;
  const std::unique_ptr<ledger::Ledger> ledger;
  const Clock& clock;
  const Options options;
  const HealthChanged health_changed;  // called on the loop's thread
  bool detached = false;               // the loop's thread only: nobody wants calls any more

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Task> reads;
  std::deque<Task> writes;
  bool stopping = false;
  std::optional<MonoTime> not_before;  // the first write failed: when to try it again

  // The ledger thread only.
  bool healthy = true;
  bool last_chance = false;  // the write at hand was begun while stopping: not tried again
  std::chrono::milliseconds wait{0};
  std::thread thread;
};

LedgerThread::LedgerThread(boost::asio::io_context& loop, std::unique_ptr<ledger::Ledger> ledger,
                           const Clock& clock, Options options, HealthChanged health_changed)
    : state_(std::make_shared<State>(loop, std::move(ledger), clock, std::move(options),
                                     std::move(health_changed))) {
  state_->thread = std::thread([state = state_.get()] { state->Run(); });
}

LedgerThread::~LedgerThread() {
  Stop();
}

void LedgerThread::Enqueue(Task task, Kind kind) {
  {
    const std::lock_guard lock(state_->mutex);
    auto& queue = kind == Kind::kRead ? state_->reads : state_->writes;
    if (queue.size() < state_->options.longest_queue) {
      queue.push_back(std::move(task));
      state_->changed.notify_one();
      return;
    }
  }
  boost::asio::post(state_->loop, std::move(task.refuse));
}

std::size_t LedgerThread::waiting() const {
  const std::lock_guard lock(state_->mutex);
  return state_->writes.size();
}

void LedgerThread::Stop() {
  if (!state_->thread.joinable()) return;
  state_->detached = true;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_one();
  }
  state_->thread.join();
}

void LedgerThread::State::Run() {
  Task task;
  Kind kind = Kind::kRead;
  while (Next(task, kind)) {
    if (kind == Kind::kWrite) {
      DoWrite(std::move(task));
      continue;
    }
    static_cast<void>(task.attempt(*ledger));
    PostToLoop(std::move(task.finish));
  }
}

bool LedgerThread::State::Next(Task& task, Kind& kind) {
  std::unique_lock lock(mutex);
  for (;;) {
    if (!reads.empty()) {
      kind = Kind::kRead;
      task = std::move(reads.front());
      reads.pop_front();
      return true;
    }
    const bool due = !not_before || stopping || clock.Now() >= *not_before;
    if (!writes.empty() && due) {
      kind = Kind::kWrite;
      last_chance = stopping;
      task = std::move(writes.front());
      writes.pop_front();
      return true;
    }
    if (stopping) return false;
    if (writes.empty() || !not_before) {
      changed.wait(lock);
    } else {
      changed.wait_until(lock, *not_before);
    }
  }
}

void LedgerThread::State::DoWrite(Task task) {
  const MonoTime begun = clock.Now();
  const Status done = task.attempt(*ledger);
  if (done && options.committed)
    PostToLoop([this, took = clock.Now() - begun] { options.committed(took); });
  const bool again = !done && MayPass(done.error());
  TellHealth(again ? std::optional<Error>(done.error()) : std::nullopt);
  if (!again) {
    {
      const std::lock_guard lock(mutex);
      not_before.reset();
    }
    return PostToLoop(std::move(task.finish));
  }
  wait = wait.count() == 0 ? options.retry_first : std::min(wait * 2, options.retry_longest);
  const std::lock_guard lock(mutex);
  if (last_chance) return writes.clear();
  writes.push_front(std::move(task));
  not_before = clock.Now() + wait;
}

void LedgerThread::State::TellHealth(const std::optional<Error>& failing) {
  if (!failing) wait = std::chrono::milliseconds(0);
  if (healthy == !failing) return;
  healthy = !failing;
  PostToLoop([this, failing] { health_changed(failing); });
}

void LedgerThread::State::PostToLoop(std::function<void()> call) {
  // The loop may still hold the call after the LedgerThread is gone.
  boost::asio::post(loop, [self = shared_from_this(), call = std::move(call)] {
    if (!self->detached) call();
  });
}

}  // namespace seaward
