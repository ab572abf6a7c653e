// The notifier's end of one VMM's ring. The other end may be hostile: every word is copied before
// it is looked at, indices and limits are this object's own, and nothing that a VMM writes can
// block, crash or unbound this side.
//
// Thread: one, all calls.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "host-notifier/vmm/ring_format.h"
#include "host-notifier/vmm/ring_mapping.h"
#include "host-notifier/vmm/sea_exit.h"

namespace seaward::ring {

// Names one taken record until it is released.
struct RingToken {
  std::uint32_t lane = 0;
  std::uint64_t index = 0;
  auto operator<=>(const RingToken&) const = default;
};

// One exit, or several of the same page on the same vCPU. Addresses and esr are raw: what they mean
// is decided by classify/.
struct RingEvent {
  RingToken token;
  MonoTime when;           // of the first exit; never in the future
  std::uint32_t vcpu = 0;  // the lane's, whatever the record says
  std::uint64_t flags = 0;
  std::uint64_t esr = 0;
  GuestVirtAddr gva;
  GuestPhysAddr gpa;
  bool walked = false;                  // gpa is a table's, found by walking
  HostVirtAddr hva;                     // 0 = unknown
  std::uint64_t backing_page_size = 0;  // bytes, 0 = unknown
  std::uint32_t count = 1;              // >= 1
  vmm::Injection injection = vmm::Injection::kNone;
  bool held = false;  // the vCPU waits for AnswerHeld
};

struct RingCounters {
  std::uint64_t taken = 0;      // records
  std::uint64_t coalesced = 0;  // exits beyond the first of a record, as the VMM counts them
  std::uint64_t lost = 0;       // exits that found no room: knowledge is incomplete
  std::uint64_t failed_injections = 0;  // KVM refused the abort
  std::uint64_t native_fallbacks = 0;   // held vCPUs that were told in another way after all
  std::uint64_t rests = 0;              // pauses of vCPUs that faulted without getting anywhere
  std::uint64_t holds_begun = 0;        // vCPUs that waited for a verdict
  std::uint64_t holds_answered = 0;     // and got it in time
  std::uint64_t holds_timed_out = 0;    // and did not
  std::uint64_t malformed = 0;          // records with a field that had to be corrected
};

class RingConsumer {
 public:
  // Checks and maps what a VMM sent. kDenied when the memory could be taken away from under us (no
  // tmpfs memfd, a seal missing), kInvalid when the doorbell is no eventfd or the header lies about
  // the size. Starts at the first record that was never released.
  static Result<RingConsumer> Open(UniqueFd memory, UniqueFd doorbell, const Clock& clock);

  // Readable while the doorbell has rung: for any event loop, level- or edge-triggered. (An epoll
  // of our own with the eventfd edge-triggered inside: the eventfd itself is shared with the VMM,
  // is never read, and once rung stays readable for ever.)
  int doorbell_fd() const { return wakeup_.get(); }

  // Hands out at most `max` published records, oldest first in each lane, lanes in turn. Fewer than
  // `max` means that the ring is empty and the doorbell armed; otherwise call again. The first
  // call after Open is due at once.
  std::size_t Drain(std::size_t max, const std::function<void(const RingEvent&)>& take);

  // The event is safe elsewhere: its slot may be written again. Any order; a token is released
  // once, further or foreign ones are ignored.
  void Release(RingToken token);

  // Whether this VMM reads heal orders on its attach connection, by its own word.
  bool TakesHealOrders() const;
  bool TakesPlaceQuestions() const;
  // Tells the VMM what will be answered: kOffersHostPages, AnswerHostPage to each event with
  // Injection::kNative; kOffersVerdicts, AnswerHeld to each one with `held`.
  void Offer(std::uint32_t what);
  // What became of the host's page behind an event whose vCPU is held; wakes it. Before or after
  // the release.
  void AnswerHostPage(RingToken token, vmm::HostPage answer);
  // The same for an event with `held`. Of a lane's events only the newest waits.
  void AnswerHeld(RingToken token, vmm::HeldFor answer);

  RingCounters counters() const;

 private:
  struct Lane {
    std::uint64_t next = 0;      // to take
    std::uint64_t released = 0;  // all before it are released
    std::vector<bool> done;      // of the window [released, next), by index modulo the lane's size
  };
  RingConsumer(vmm::RingMapping mapping, vmm::RingGeometry geometry, UniqueFd doorbell,
               UniqueFd wakeup, const Clock& clock);
  std::size_t Sweep(std::size_t max, const std::function<void(const RingEvent&)>& take);
  bool TakeOne(std::uint32_t lane_number, const std::function<void(const RingEvent&)>& take);
  RingEvent CopyOut(vmm::RingRecord& record, RingToken token);
  bool InUse(std::uint32_t lane_number) const;

  vmm::RingMapping mapping_;
  vmm::RingView view_;
  UniqueFd doorbell_;
  UniqueFd wakeup_;
  const Clock* clock_;
  std::vector<Lane> lanes_;       // up to the last one that was ever used: most VMs use few of many
  std::uint32_t first_lane_ = 0;  // where the next sweep starts
  std::uint64_t taken_ = 0;
  std::uint64_t malformed_ = 0;
};

}  // namespace seaward::ring
