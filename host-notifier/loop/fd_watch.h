// Calls back whenever a descriptor that somebody else owns is readable. Never reads it. Safe to
// destroy at any moment, also inside the callback.
#pragma once

#include <fcntl.h>

#include <utility>  // before Asio: Boost 1.74 forgets it under C++20

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/unique_fd.h"

namespace seaward {

class FdWatch {
 public:
  // Watches a duplicate of `fd`, so that closing the original confuses nobody. `readable` is called
  // on the loop's thread, again as long as the descriptor stays readable.
  static Result<std::unique_ptr<FdWatch>> Watch(boost::asio::io_context& loop, int fd,
                                                std::function<void()> readable) {
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return FailErrno(errno, "watch a descriptor");
    auto state = std::make_shared<State>(loop, std::move(readable));
    boost::system::error_code error;
    state->descriptor.assign(copy.get(), error);
    if (error) return FailErrno(error.value(), "watch a descriptor");
    static_cast<void>(copy.Release());
    Wait(state);
    return std::unique_ptr<FdWatch>(new FdWatch(std::move(state)));
  }
  ~FdWatch() {
    state_->alive = false;
    boost::system::error_code ignored;
    state_->descriptor.close(ignored);
  }
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;

 private:
  struct State {
    State(boost::asio::io_context& loop, std::function<void()> call)
        : descriptor(loop), readable(std::move(call)) {}
    boost::asio::posix::stream_descriptor descriptor;
    std::function<void()> readable;
    bool alive = true;
  };
  explicit FdWatch(std::shared_ptr<State> state) : state_(std::move(state)) {}
  static void Wait(const std::shared_ptr<State>& state) {
    state->descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                 [state](const boost::system::error_code& error) {
                                   if (error || !state->alive) return;
                                   state->readable();
                                   if (state->alive) Wait(state);
                                 });
  }
  std::shared_ptr<State> state_;
};

}  // namespace seaward
