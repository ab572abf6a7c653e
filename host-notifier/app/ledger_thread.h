// The one thread that talks to the disk. Writes are done in the order in which they came; one that
// the disk cannot take now is repeated, with backoff, until it succeeds, and nobody but the writes
// behind it waits for that. Reads overtake writes.
//
// Thread: all calls from the loop's thread; `done` calls come there too.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "host-notifier/ledger/ledger.h"

namespace seaward {

class LedgerThread {
 public:
  // Told on each change only: the error when writes begin to fail, nothing when they work again.
  using HealthChanged = std::function<void(const std::optional<Error>& failing)>;
  struct Options {
    // A full disk is freed by people or by log rotation: seconds are soon enough.
    std::chrono::milliseconds retry_first{100};
    std::chrono::milliseconds retry_longest{5000};
    // Writes waiting for the disk. Events are bounded by their rings already; this bounds what
    // guests can make us remember beyond them.
    std::size_t longest_queue = 65536;
    // How long the first of the writes that share a commit waits for others. A page's verdict comes
    // about a millisecond behind its event: one commit serves both, and none competes for a
    // processor with the guest that retires the page.
    std::chrono::milliseconds gather{2};
    // How long each commit took that the disk accepted; on the loop's thread.
    std::function<void(std::chrono::nanoseconds)> committed = {};
  };

  LedgerThread(boost::asio::io_context& loop, std::unique_ptr<ledger::Ledger> ledger,
               const Clock& clock, Options options, HealthChanged health_changed);
  // As Stop.
  ~LedgerThread();
  LedgerThread(const LedgerThread&) = delete;
  LedgerThread& operator=(const LedgerThread&) = delete;

  // `work` may run several times. kLimit, without running it, when too much waits already.
  template <class T>
  void Write(std::function<Result<T>(ledger::Ledger&)> work, std::function<void(Result<T>)> done) {
    Enqueue(MakeTask<T>(std::move(work), std::move(done)), Kind::kWrite);
  }
  // The same for the writes of which there are many: those that wait in a row share one commit.
  // `work` does nothing that a rollback would not undo, and relies on nothing being durable yet.
  template <class T>
  void WriteTogether(std::function<Result<T>(ledger::Ledger&)> work,
                     std::function<void(Result<T>)> done) {
    Task task = MakeTask<T>(std::move(work), std::move(done));
    task.shares_commit = true;
    Enqueue(std::move(task), Kind::kWrite);
  }
  template <class T>
  void Read(std::function<Result<T>(ledger::Ledger&)> work, std::function<void(Result<T>)> done) {
    Enqueue(MakeTask<T>(std::move(work), std::move(done)), Kind::kRead);
  }

  // Writes not yet done.
  std::size_t waiting() const;
  // Tries every write once more, in order, up to the first that still fails; ends the thread. No
  // `done` call follows.
  void Stop();

 private:
  enum class Kind { kRead, kWrite };
  struct Task {
    std::function<Status(ledger::Ledger&)> attempt;  // on the ledger thread
    std::function<void()> finish;                    // on the loop's
    std::function<void()> refuse;                    // on the loop's, instead
    bool shares_commit = false;
  };
  struct State;

  template <class T>
  static Task MakeTask(std::function<Result<T>(ledger::Ledger&)> work,
                       std::function<void(Result<T>)> done) {
    const auto slot = std::make_shared<std::optional<Result<T>>>();
    Task task;
    task.attempt = [slot, work = std::move(work)](ledger::Ledger& ledger) -> Status {
      slot->emplace(work(ledger));
      if (slot->value()) return {};
      return tl::unexpected<Error>(slot->value().error());
    };
    task.finish = [slot, done] { done(std::move(slot->value())); };
    task.refuse = [done] { done(Fail(ErrorCode::kLimit, "too much waits for the ledger")); };
    return task;
  }
  void Enqueue(Task task, Kind kind);

  std::shared_ptr<State> state_;
};

}  // namespace seaward
