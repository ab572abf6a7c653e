// Looks through the memory of VMs' processes for one frame of the host, on a thread of its own: a
// large VM takes seconds.
//
// Thread: the loop's; `done` comes there.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"
#include "host-notifier/app/host_memory.h"

namespace seaward {

class FrameSearcher {
 public:
  struct Candidate {
    Uuid vm;
    ProcessIdentity process;
  };
  struct Found {
    Uuid vm;
    ProcessIdentity process;
    std::vector<HostVirtAddr> addresses;  // at least one
  };
  struct Answer {
    std::vector<Found> found;
    bool complete = true;  // false: some process was not searched to its end
  };
  // Of one search. Clients of the control socket wait for it, and other frames do.
  static constexpr std::chrono::seconds kLongest{10};

  // Both outlive it.
  FrameSearcher(boost::asio::io_context& loop, HostMemory& memory, const Clock& clock);
  // Gives up the search at hand. No `done` follows.
  ~FrameSearcher();
  FrameSearcher(const FrameSearcher&) = delete;
  FrameSearcher& operator=(const FrameSearcher&) = delete;

  // One after the other. The caller bounds how many.
  void Search(PageFrame frame, std::vector<Candidate> among, std::function<void(Answer)> done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace seaward
