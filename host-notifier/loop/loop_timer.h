// A one-shot timer of the event loop that is safe to destroy at any moment. (Asio's own delivers a
// handler that was already queued even after the timer is gone.)
#pragma once

#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace seaward {

class LoopTimer {
 public:
  explicit LoopTimer(boost::asio::io_context& loop) : timer_(loop) {}
  ~LoopTimer() { ++*generation_; }
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

  // Calls `expired` once after `wait`, on the loop's thread; replaces what was set before.
  void Start(std::chrono::nanoseconds wait, std::function<void()> expired) {
    const std::uint64_t mine = ++*generation_;
    timer_.expires_after(wait);
    timer_.async_wait([generation = generation_, mine,
                       expired = std::move(expired)](const boost::system::error_code&) {
      if (*generation == mine) expired();
    });
  }
  void Cancel() {
    ++*generation_;
    timer_.cancel();
  }

 private:
  boost::asio::steady_timer timer_;
  std::shared_ptr<std::uint64_t> generation_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace seaward
