// The VMM's end of the ring: one lane per vCPU.
//
// Threads: Publish and Count* of one vCPU come from one thread at a time; different
// vCPUs are independent. Everything else: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/unique_fd.h"
#include "host-notifier/vmm/ring_format.h"
#include "host-notifier/vmm/ring_mapping.h"
#include "host-notifier/vmm/sea_exit.h"

namespace seaward::vmm {

enum class Published { kNew, kCoalesced, kLost };

struct ProducerCounters {
  std::uint64_t published = 0;  // records
  std::uint64_t coalesced = 0;
  std::uint64_t lost = 0;
  std::uint64_t failed_injections = 0;
  std::uint64_t rests = 0;
  std::uint64_t waiting = 0;  // records that the notifier has not released
};

class RingProducer {
 public:
  static Result<RingProducer> Create(RingGeometry geometry);

  // Wait-free, allocates nothing, logs nothing. One write(2) to the doorbell when the notifier
  // sleeps, none otherwise. A repeat of a page whose record nobody has taken yet is counted there;
  // a full lane counts the exit as lost. After kPromptRepeats of the same fact in a row repeats
  // wake nobody for kLookAgain (ring_format.h).
  Published Publish(std::uint32_t vcpu, const SeaExit& exit) noexcept;
  // Names the record that holds this vCPU's last exit; 0 when it was lost. The vCPU's own thread.
  std::uint64_t LastSequence(std::uint32_t vcpu) const noexcept;
  // Whether the notifier, when it last said, retires host pages of held exits.
  bool OffersHostPages() const noexcept;
  // Waits for the answer to a record, for `slice` at most; a signal ends it early. The word is the
  // notifier's to write: nothing but the two answers to this very record means anything. Changes
  // errno.
  HostPage AwaitHostPage(std::uint32_t vcpu, std::uint64_t sequence,
                         std::chrono::nanoseconds slice) noexcept;
  // The same two for the guest's verdict on the page of a record with `held`.
  bool OffersVerdicts() const noexcept;
  HeldFor AwaitVerdict(std::uint32_t vcpu, std::uint64_t sequence,
                       std::chrono::nanoseconds slice) noexcept;

  enum class HoldStep { kBegun, kAnswered, kTimedOut };
  void CountHold(HoldStep step) noexcept;
  void CountNativeFallback(std::uint32_t vcpu) noexcept;
  void CountFailedInjection(std::uint32_t vcpu) noexcept;
  // The vCPU was slowed down because it faults without getting anywhere.
  void CountRest(std::uint32_t vcpu) noexcept;

  ProducerCounters counters() const noexcept;
  // Tells notifiers that heal orders are read on the attach connection. Before it attaches.
  void TakeHealOrders() noexcept;
  int memory_fd() const { return mapping_.fd(); }
  int doorbell_fd() const { return doorbell_.get(); }
  RingGeometry geometry() const { return view_.geometry(); }

 private:
  // How many records back a repeat is looked for: a guest that copies from one bad page to another
  // alternates between few of them.
  static constexpr std::uint64_t kCoalesceWindow = 8;

  // What a vCPU thread keeps to itself, in cache lines of its own. Of what the notifier may hold in
  // its cache, a publish that repeats nothing touches its record and the word of the sleeping
  // notifier, and nothing else.
  struct alignas(64) Lane {
    std::uint64_t next = 0;      // index of the record to write
    std::uint64_t released = 0;  // as the notifier's counter was when it was last read
    std::uint64_t last = 0;      // sequence of the record that holds the last exit, 0 = lost
    MonoTime bell;               // when a repeat last asked for the doorbell
    std::uint32_t repeats = 0;   // records in a row that said nothing new
    bool announced = false;      // its bit in lanes_in_use is set
    LaneHeader* shared = nullptr;
    RingRecord* records = nullptr;
    // Of the newest records, by index modulo their number: what FactHash said of each.
    alignas(64) std::array<std::uint32_t, kCoalesceWindow> facts{};
  };
  static void ReadReleased(Lane& own) noexcept;
  static bool BellIsDue(Lane& own, const SeaExit& exit, bool repeat) noexcept;
  RingProducer(RingMapping mapping, UniqueFd doorbell, RingGeometry geometry);
  RingRecord& RecordAt(const Lane& own, std::uint64_t index) const noexcept {
    return own.records[index & (view_.geometry().records_per_lane - 1)];
  }
  std::uint64_t FindFact(const Lane& own, const SeaExit& exit) const noexcept;
  bool Coalesce(Lane& own, std::uint64_t back) noexcept;
  bool IsFull(Lane& own) const noexcept;
  Published Lose(Lane& own) noexcept;
  void Announce(std::uint32_t vcpu) noexcept;
  void Write(Lane& own, const SeaExit& exit, std::uint32_t hash) noexcept;
  bool Offers(std::uint32_t what) const noexcept;
  void RingDoorbell() noexcept;
  void WakeNotifier() noexcept;

  RingMapping mapping_;
  UniqueFd doorbell_;
  RingView view_;
  std::vector<Lane> lanes_;
};

}  // namespace seaward::vmm
