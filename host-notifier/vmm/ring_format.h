// The ring between a VMM and the notifier: layout and numbers, nothing else.
//
// One sealed memfd: a RingHeader, then one lane per vCPU. A lane is a LaneHeader and a power of two
// of 64-byte records, written by that vCPU's thread alone and read by the notifier alone:
//
//   +0      RingHeader (constants, doorbell word, bitmap of lanes in use)
//   +256    lane 0: LaneHeader (128 bytes), records[records_per_lane]
//   ...     lane n
//
// Who owns a record: sequence == index + 1 says that record `index` is published; the lane's
// `released` counter says which records the producer may write again. All words are native-endian
// (both sides run on one machine) and are accessed through std::atomic_ref only, because the other
// side may be hostile and write at any time. Neither side trusts a counter that the other owns.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace seaward::vmm {

inline constexpr std::uint64_t kRingMagic = 0x31474e5244574553;  // "SEWDRNG1"
inline constexpr std::uint32_t kRingVersion = 1;

// GICv3 ends at 512 vCPUs in KVM today (KVM_CAP_MAX_VCPUS); twice that leaves room.
inline constexpr std::uint32_t kMaxLanes = 1024;
inline constexpr std::uint32_t kMaxRecordsPerLane = 1024;
// What a notifier maps for one VMM at most, so that a hostile one cannot eat its memory.
inline constexpr std::size_t kMaxRingBytes = std::size_t{16} << 20;

struct RingGeometry {
  std::uint32_t lanes = 512;
  // Distinct pages that one vCPU may consume while the notifier is away. Memory of lanes that never
  // publish is never allocated: the file is sparse.
  std::uint32_t records_per_lane = 128;
};

struct RingHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t lanes;
  std::uint32_t records_per_lane;
  std::uint32_t record_bytes;
  // Written by the notifier, beside constants because it hardly ever changes: kOffersHostPages,
  // kOffersVerdicts.
  std::uint32_t offers;
  // Written by the VMM before it attaches: kTakesHealOrders, kTakesPlaceQuestions.
  std::uint32_t takes;
  std::uint64_t reserved0[4];
  // 1 while the notifier sleeps and wants its doorbell; whoever takes it to 0 rings.
  std::uint32_t consumer_sleeps;
  std::uint32_t reserved1;
  // Exits of vCPUs whose number has no lane.
  std::uint64_t laneless_losses;
  // Written by vCPUs that are held for a verdict. What is in none of the last two ended for another
  // reason, or has not ended.
  std::uint64_t holds_begun;
  std::uint64_t holds_answered;
  std::uint64_t holds_timed_out;
  std::uint64_t reserved2[3];
  // Bit n of word n/64: lane n has published at least once.
  std::uint64_t lanes_in_use[kMaxLanes / 64];
};

struct LaneHeader {
  // Written by the vCPU thread.
  std::uint64_t lost;               // exits that found the lane full
  std::uint64_t coalesced;          // exits counted in a record that was there already
  std::uint64_t failed_injections;  // KVM refused the abort
  std::uint64_t rests;              // pauses of a vCPU that faults without getting anywhere
  std::uint64_t published;          // records, for people and status; the notifier ignores it
  std::uint64_t native_fallbacks;   // held exits that the notifier did not settle: injected instead
  std::uint64_t reserved0[2];
  // Written by the notifier.
  std::uint64_t released;  // records [0, released) may be written again
  // HostPageAnswer to the newest answered record whose vCPU is held; a futex of that vCPU.
  std::uint32_t host_page;
  // VerdictAnswer to the newest held record of the lane; the same for vCPUs that wait for a
  // verdict.
  std::uint32_t verdict;
  std::uint64_t reserved1[6];
};

struct RingRecord {
  std::uint64_t sequence;
  std::uint64_t when_ns;  // CLOCK_MONOTONIC
  std::uint64_t flags;    // the four words of kvm_run.arm_sea, raw
  std::uint64_t esr;
  std::uint64_t gva;
  std::uint64_t gpa;  // kWalkedBit: of a table, found by walking; kvm_run had none
  std::uint64_t hva;  // 0 = unknown
  // Exits that this record stands for, and kCountClosed once the notifier took it.
  std::uint32_t count;
  // Bits 0-7: log2 of the backing page size, 0 = unknown. Bits 8-15: Injection. Bit 16: kWalkedBit.
  // Bit 17: kHeldBit.
  // The others are 0; a reader that meets one which it does not know counts the record as malformed
  // and uses the rest.
  std::uint32_t attributes;
};

inline constexpr std::uint32_t kWalkedBit = std::uint32_t{1} << 16;
// The vCPU waits, a short time, for the guest's verdict on the page.
inline constexpr std::uint32_t kHeldBit = std::uint32_t{1} << 17;

// RingHeader.offers: this notifier takes the host's page away while a vCPU is held at its exit
// (Injection::kNative), and answers.
inline constexpr std::uint32_t kOffersHostPages = 1;
// This notifier answers records with kHeldBit; older ones take the bit for a malformed record.
inline constexpr std::uint32_t kOffersVerdicts = 2;

// RingHeader.takes: this VMM reads HealOrders (heal_message.h) on its attach connection and answers
// them. 0 in rings of older libraries, which hang up when they are spoken to.
inline constexpr std::uint32_t kTakesHealOrders = 1;
// The same for PlaceQuestions (place_message.h), which are younger.
inline constexpr std::uint32_t kTakesPlaceQuestions = 2;

// What became of the host's page behind a record. 0 in the word: nothing yet.
enum class HostPage : std::uint32_t { kUnanswered = 0, kRetired = 1, kKept = 2 };

// What a vCPU is told that is held for the guest's verdict on a page. kNone: nobody knows of one to
// wait for.
enum class HeldFor : std::uint32_t { kUnanswered = 0, kVerdict = 1, kNone = 2 };

// The word that answers the record with this sequence: any other word in its place is no answer.
template <class Answer>
constexpr std::uint32_t AnswerWord(std::uint64_t sequence, Answer answer) {
  return static_cast<std::uint32_t>(sequence << 2) | static_cast<std::uint32_t>(answer);
}
constexpr std::uint32_t HostPageAnswer(std::uint64_t sequence, HostPage answer) {
  return AnswerWord(sequence, answer);
}
constexpr std::uint32_t VerdictAnswer(std::uint64_t sequence, HeldFor answer) {
  return AnswerWord(sequence, answer);
}
// What `word` answers to that record; 0 when nothing.
template <class Answer>
constexpr Answer AnswerIn(std::uint32_t word, std::uint64_t sequence) {
  for (const auto answer : {Answer{1}, Answer{2}})
    if (word == AnswerWord(sequence, answer)) return answer;
  return Answer{0};
}

inline constexpr std::uint32_t kCountClosed = std::uint32_t{1} << 31;

// A vCPU that faults on one page for ever costs the notifier next to nothing: after so many records
// of the same fact in a row, further ones ring the doorbell once in kLookAgain at most and are
// counted in one record meanwhile. In return the notifier looks at a ring once more, unasked,
// kLookAgain after it took something.
inline constexpr std::uint32_t kPromptRepeats = 16;
inline constexpr std::chrono::seconds kLookAgain{5};

static_assert(sizeof(RingHeader) == 256 && sizeof(LaneHeader) == 128 && sizeof(RingRecord) == 64);
static_assert(offsetof(RingHeader, consumer_sleeps) == 64, "own cache line");
static_assert(offsetof(LaneHeader, released) == 64, "own cache line");
static_assert(alignof(RingRecord) == 8);
static_assert(std::is_trivially_copyable_v<RingHeader> &&
              std::is_trivially_copyable_v<LaneHeader> && std::is_trivially_copyable_v<RingRecord>);
static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free &&
              std::atomic_ref<std::uint32_t>::is_always_lock_free);
static_assert(std::atomic_ref<std::uint64_t>::required_alignment <= 8);

constexpr bool IsValid(RingGeometry g) {
  const auto n = g.records_per_lane;
  return g.lanes >= 1 && g.lanes <= kMaxLanes && n >= 2 && n <= kMaxRecordsPerLane &&
         (n & (n - 1)) == 0 &&
         sizeof(RingHeader) +
                 std::size_t{g.lanes} * (sizeof(LaneHeader) + n * sizeof(RingRecord)) <=
             kMaxRingBytes;
}

constexpr std::size_t LaneBytes(RingGeometry g) {
  return sizeof(LaneHeader) + g.records_per_lane * sizeof(RingRecord);
}

constexpr std::size_t RingBytes(RingGeometry g) {
  return sizeof(RingHeader) + g.lanes * LaneBytes(g);
}

// Where things lie in mapped memory of RingBytes(geometry). Does not own the memory.
class RingView {
 public:
  RingView(std::byte* base, RingGeometry geometry) : base_(base), geometry_(geometry) {}

  RingGeometry geometry() const { return geometry_; }
  RingHeader& header() const { return *reinterpret_cast<RingHeader*>(base_); }
  LaneHeader& lane(std::uint32_t lane) const {
    return *reinterpret_cast<LaneHeader*>(LaneBase(lane));
  }
  // `index` counts for ever; its low bits choose the slot.
  RingRecord& record(std::uint32_t lane, std::uint64_t index) const {
    auto* records = reinterpret_cast<RingRecord*>(LaneBase(lane) + sizeof(LaneHeader));
    return records[index & (geometry_.records_per_lane - 1)];
  }

 private:
  std::byte* LaneBase(std::uint32_t lane) const {
    return base_ + sizeof(RingHeader) + lane * LaneBytes(geometry_);
  }
  std::byte* base_;
  RingGeometry geometry_;
};

}  // namespace seaward::vmm
