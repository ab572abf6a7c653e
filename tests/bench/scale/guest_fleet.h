// All simulated guests on one thread, and what keeps them going while somebody waits.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "tests/bench/scale/simulated_guest.h"

namespace seaward::bench {

class GuestFleet {
 public:
  explicit GuestFleet(const Clock& clock) : clock_(clock) {}

  Status Open();
  // `guests` of them, each with its channel at DIR/NUMBER.
  Status BootAll(std::size_t guests, const std::string& dir);

  // The guest `number` boots, for the first time or again; nothing of an earlier boot stays.
  // `listener` is its channel's.
  Status Boot(std::size_t number, UniqueFd listener);

  // Serves the guests until `holds`, which is asked after every turn; false: not within `limit`.
  bool ServeUntil(const std::function<bool()>& holds, std::chrono::milliseconds limit);

  std::size_t size() const { return guests_.size(); }
  std::size_t synced() const;
  std::uint64_t entries_heard() const;
  std::uint64_t bytes_heard() const;
  std::uint64_t retired_bytes() const;

 private:
  Status Watch(int fd, std::size_t guest, unsigned events);
  void Turn();
  void Event(std::size_t guest);
  int WaitMs() const;

  const Clock& clock_;
  UniqueFd epoll_;
  std::uint64_t boots_ = 0;
  std::vector<std::unique_ptr<SimulatedGuest>> guests_;
};

}  // namespace seaward::bench
