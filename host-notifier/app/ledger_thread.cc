#include "host-notifier/app/ledger_thread.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>
#include <thread>
#include <vector>

namespace seaward {
namespace {

// Writes that share a commit at most: a few milliseconds of work, which is how long a read or the
// first of them waits for the others.
constexpr std::size_t kLargestGroup = 128;

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
  // Takes the next due task, or all that share a commit; false when it is time to end.
  bool Next(std::vector<Task>& tasks, Kind& kind);
  // Whether the writes that wait could be joined by others.
  bool Joinable() const;
  void TakeWrites(std::vector<Task>& tasks);
  void DoWrite(Task task);
  void DoTogether(std::vector<Task> tasks);
  void Committed(MonoTime begun);
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
  bool last_chance = false;    // the write at hand was begun while stopping: not tried again
  std::size_t one_by_one = 0;  // so many writes could not be done together
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
  std::vector<Task> tasks;
  Kind kind = Kind::kRead;
  while (Next(tasks, kind)) {
    if (kind == Kind::kRead) {
      static_cast<void>(tasks.front().attempt(*ledger));
      PostToLoop(std::move(tasks.front().finish));
    } else if (tasks.size() == 1) {
      DoWrite(std::move(tasks.front()));
    } else {
      DoTogether(std::move(tasks));
    }
  }
}

bool LedgerThread::State::Next(std::vector<Task>& tasks, Kind& kind) {
  tasks.clear();
  std::unique_lock lock(mutex);
  std::optional<MonoTime> gathered;  // writes found an idle thread: when they wait no longer
  for (;;) {
    if (!reads.empty()) {
      kind = Kind::kRead;
      tasks.push_back(std::move(reads.front()));
      reads.pop_front();
      return true;
    }
    const bool due = !not_before || stopping || clock.Now() >= *not_before;
    const bool gathers = gathered && Joinable() && clock.Now() < *gathered;
    if (!writes.empty() && due && !gathers) {
      kind = Kind::kWrite;
      last_chance = stopping;
      TakeWrites(tasks);
      return true;
    }
    if (stopping) return false;
    if (writes.empty()) {
      changed.wait(lock);
      gathered = clock.Now() + options.gather;
    } else {
      changed.wait_until(lock, due ? *gathered : *not_before);
    }
  }
}

bool LedgerThread::State::Joinable() const {
  return !stopping && writes.size() < kLargestGroup && writes.back().shares_commit;
}

void LedgerThread::State::TakeWrites(std::vector<Task>& tasks) {
  do {
    tasks.push_back(std::move(writes.front()));
    writes.pop_front();
  } while (one_by_one == 0 && tasks.size() < kLargestGroup && tasks.back().shares_commit &&
           !writes.empty() && writes.front().shares_commit);
  if (one_by_one > 0) --one_by_one;
}

void LedgerThread::State::Committed(MonoTime begun) {
  if (options.committed)
    PostToLoop([this, took = clock.Now() - begun] { options.committed(took); });
}

void LedgerThread::State::DoTogether(std::vector<Task> tasks) {
  const MonoTime begun = clock.Now();
  const Status done = ledger->Together([&]() -> Status {
    for (const Task& task : tasks)
      if (Status one = task.attempt(*ledger); !one && MayPass(one.error())) return one;
    return {};
  });
  if (!done) {
    // One after the other they show which of them the disk cannot take, and the others are done.
    const std::lock_guard lock(mutex);
    one_by_one = tasks.size();
    writes.insert(writes.begin(), std::make_move_iterator(tasks.begin()),
                  std::make_move_iterator(tasks.end()));
    return;
  }
  Committed(begun);
  TellHealth(std::nullopt);
  for (Task& task : tasks) PostToLoop(std::move(task.finish));
}

void LedgerThread::State::DoWrite(Task task) {
  const MonoTime begun = clock.Now();
  const Status done = task.attempt(*ledger);
  if (done) Committed(begun);
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
  ++one_by_one;
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
