// How the libvirt thread speaks to the event loop: it posts calls, and the loop drops those that
// arrive after the receiver is gone.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <utility>

namespace seaward {

// A receiver that lives on the loop's thread. Copies share it; Detach and the calls themselves
// happen on that thread only, Call may come from any.
template <class Receiver>
class LoopPoster {
 public:
  LoopPoster(boost::asio::io_context& loop, Receiver& receiver)
      : loop_(&loop), slot_(std::make_shared<Receiver*>(&receiver)) {}

  template <class F>
  void Call(F call) const {
    boost::asio::post(*loop_, [slot = slot_, call = std::move(call)]() mutable {
      if (*slot != nullptr) call(**slot);
    });
  }
  void Detach() const { *slot_ = nullptr; }
  bool detached() const { return *slot_ == nullptr; }

 private:
  boost::asio::io_context* loop_;
  std::shared_ptr<Receiver*> slot_;
};

}  // namespace seaward
