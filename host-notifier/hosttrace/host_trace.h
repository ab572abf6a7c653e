// Reads what the host's kernel says about bad frames, as it says it.
//
// Thread: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/unique_fd.h"
#include "host-notifier/hosttrace/trace_text.h"
#include "host-notifier/loop/fd_watch.h"
#include "host-notifier/loop/loop_timer.h"

namespace seaward {

class HostTrace {
 public:
  struct Listener {
    std::function<void(const FrameFailure&)> failed;
    std::function<void(std::uint64_t)> lost;  // events that found the buffer full
    std::function<void(const Error&)> ended;  // no more comes; the trace may be destroyed inside
  };

  // `pipe` does not block.
  static Result<std::unique_ptr<HostTrace>> Watch(boost::asio::io_context& loop, UniqueFd pipe,
                                                  Listener listener);
  HostTrace(const HostTrace&) = delete;
  HostTrace& operator=(const HostTrace&) = delete;

 private:
  HostTrace(boost::asio::io_context& loop, UniqueFd pipe, Listener listener)
      : pipe_(std::move(pipe)), listener_(std::move(listener)), again_(loop) {}
  void Read();

  const UniqueFd pipe_;
  const Listener listener_;
  TraceText text_;
  std::unique_ptr<FdWatch> watch_;
  LoopTimer again_;
};

}  // namespace seaward
