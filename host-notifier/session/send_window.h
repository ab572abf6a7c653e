// Bytes that were sent in this session and that nothing proves to be read. The channel keeps order,
// so an answer to one frame proves all frames before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace seaward::session {

class SendWindow {
 public:
  void Sent(std::uint32_t sequence, std::size_t bytes) {
    frames_.push_back({sequence, bytes});
    outstanding_bytes_ += bytes;
  }
  // The guest has read the frame `sequence`.
  void Proven(std::uint32_t sequence) {
    while (!frames_.empty() && frames_.front().sequence <= sequence) {
      outstanding_bytes_ -= frames_.front().bytes;
      frames_.pop_front();
    }
  }
  void Clear() {
    frames_.clear();
    outstanding_bytes_ = 0;
  }
  std::size_t outstanding_bytes() const { return outstanding_bytes_; }

 private:
  struct Frame {
    std::uint32_t sequence;
    std::size_t bytes;
  };
  std::deque<Frame> frames_;
  std::size_t outstanding_bytes_ = 0;
};

}  // namespace seaward::session
