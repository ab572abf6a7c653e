// Asks one VM's attached VMM which guest physical address lies at one of its addresses.
//
// Thread: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/units.h"
#include "host-notifier/loop/loop_timer.h"
#include "host-notifier/vmm/place_message.h"

namespace seaward {

class PlaceAsker {
 public:
  // False: the VMM reads no questions.
  using Send = std::function<bool(const vmm::PlaceQuestion&)>;
  // nullopt: not known.
  using Done = std::function<void(std::optional<GuestPhysAddr>)>;
  // Of the VMM's keeper thread, which has nothing else to do but a heal now and then.
  static constexpr std::chrono::seconds kPatience{2};

  PlaceAsker(boost::asio::io_context& loop, const Clock& clock, Send send)
      : clock_(clock), send_(std::move(send)), timer_(loop) {}

  // `done` is called at once when nobody can be asked.
  void Ask(HostVirtAddr host, Done done);
  // False: it was never asked, and is no VMM to go on with.
  bool Answered(const vmm::PlaceAnswer& answer);
  // The VMM is gone.
  void Stop();

 private:
  struct Question {
    MonoTime until;
    Done done;
  };
  void GiveUpLate();

  const Clock& clock_;
  const Send send_;
  LoopTimer timer_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Question> open_;
};

}  // namespace seaward
