// Names for new pages, taken from the ledger in blocks ahead of time: an entry can then leave for
// the guest before the disk has its row.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "host-notifier/app/ledger_thread.h"

namespace seaward {

class PageIds {
 public:
  // Large enough that a burst of new pages on a full disk still has names; an unused rest is lost
  // with the process, which costs nothing of 2^63.
  static constexpr std::uint32_t kBlock = 4096;

  explicit PageIds(LedgerThread& ledger) : ledger_(ledger) { Reserve(); }
  PageIds(const PageIds&) = delete;
  PageIds& operator=(const PageIds&) = delete;

  // Calls `use` with an id that nobody else gets: at once, or as soon as the ledger gives more.
  void WithId(std::function<void(std::uint64_t)> use) {
    waiting_.push_back(std::move(use));
    Serve();
  }

 private:
  struct Block {
    std::uint64_t next = 0;
    std::uint64_t end = 0;
  };

  void Serve() {
    while (!waiting_.empty() && current_.next != current_.end) {
      auto use = std::move(waiting_.front());
      waiting_.pop_front();
      use(current_.next++);
      if (current_.next == current_.end) std::swap(current_, spare_);
      if (spare_.next == spare_.end && !reserving_) Reserve();
    }
  }
  void Reserve() {
    reserving_ = true;
    ledger_.Write<std::uint64_t>([](ledger::Ledger& l) { return l.ReservePageIds(kBlock); },
                                 [this](const Result<std::uint64_t>& first) { Received(first); });
  }
  void Received(const Result<std::uint64_t>& first) {
    reserving_ = false;
    if (!first) return;  // an id space that is used up: the ledger's error, seen by every write
    Block& empty = current_.next == current_.end ? current_ : spare_;
    empty = {*first, *first + kBlock};
    Serve();
    if (spare_.next == spare_.end && !reserving_) Reserve();
  }

  LedgerThread& ledger_;
  std::deque<std::function<void(std::uint64_t)>> waiting_;
  Block current_;
  Block spare_;
  bool reserving_ = false;
};

}  // namespace seaward
