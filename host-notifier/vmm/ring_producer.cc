#include "host-notifier/vmm/ring_producer.h"

#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "base/mutants.h"

namespace seaward::vmm {
namespace {

template <class T>
std::atomic_ref<T> Atomic(T& word) {
  return std::atomic_ref<T>(word);
}

// A counter that only this thread writes: a plain load and store, seen whole by the reader.
// Relaxed, because nothing else is published by it.
void Increment(std::uint64_t& own_counter) {
  auto counter = Atomic(own_counter);
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

constexpr std::uint64_t PageOf(std::uint64_t address) {
  return address & ~(kPoisonGranule - 1);
}

// The bits of RingRecord.attributes that are the exit's own.
constexpr std::uint32_t MarksOf(const SeaExit& exit) {
  return (exit.walked ? kWalkedBit : 0) | (exit.held ? kHeldBit : 0);
}

// The same fact once more: everything but the time and the offset inside the page is equal.
// And the vCPU waits for an answer in both or in neither.
bool SameFact(const RingRecord& record, const SeaExit& exit) {
  const bool waits = (record.attributes >> 8 & 0xff) == static_cast<unsigned>(Injection::kNative);
  if (waits != (exit.injection == Injection::kNative)) return false;
  return record.flags == exit.flags && record.esr == exit.esr &&
         (record.attributes & (kWalkedBit | kHeldBit)) == MarksOf(exit) &&
         (PageOf(record.gpa) == PageOf(exit.gpa.value) || Lives(Mutant::kCoalesceDistinct)) &&
         PageOf(record.gva) == PageOf(exit.gva.value) &&
         PageOf(record.hva) == PageOf(exit.hva.value);
}

// Equal for the same facts; for others hardly ever, and then SameFact tells them apart. Each field
// at a place of its own, because most pages of a burst differ in few bits of one or two of them.
std::uint32_t FactHash(const SeaExit& exit) {
  const std::uint64_t gpa = Lives(Mutant::kCoalesceDistinct) ? 0 : PageOf(exit.gpa.value);
  const std::uint64_t flags = exit.flags << 1 ^ (exit.injection == Injection::kNative ? 1 : 0);
  const std::uint64_t all = (gpa | MarksOf(exit) >> 16) ^ std::rotl(PageOf(exit.gva.value), 23) ^
                            std::rotl(PageOf(exit.hva.value), 41) ^ std::rotl(exit.esr, 7) ^ flags;
  return static_cast<std::uint32_t>(all * 0x9e3779b97f4a7c15 >> 32);
}

// The answer to a record, after `slice` at most; a signal ends the wait early.
template <class Answer>
Answer AwaitAnswer(std::uint32_t& word, std::uint64_t sequence, std::chrono::nanoseconds slice) {
  // Relaxed: the word stands alone, what it speaks of is the kernel's, or the guest's.
  const std::uint32_t before = Atomic(word).load(std::memory_order_relaxed);
  if (const auto known = AnswerIn<Answer>(before, sequence); known != Answer{0}) return known;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(slice);
  const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (slice - seconds).count()};
  // Shared, not private: the notifier wakes from another process. The time is CLOCK_MONOTONIC's.
  ::syscall(SYS_futex, &word, FUTEX_WAIT, before, &timeout, nullptr, 0);
  return AnswerIn<Answer>(Atomic(word).load(std::memory_order_relaxed), sequence);
}

// All at once, without a branch for each: nearly always none is it.
template <std::size_t n>
bool Contains(const std::array<std::uint32_t, n>& facts, std::uint32_t hash) {
  unsigned any = 0;
  for (const std::uint32_t fact : facts) any |= fact == hash ? 1 : 0;
  return any != 0;
}

}  // namespace

RingProducer::RingProducer(RingMapping mapping, UniqueFd doorbell, RingGeometry geometry)
    : mapping_(std::move(mapping)),
      doorbell_(std::move(doorbell)),
      view_(mapping_.data(), geometry),
      lanes_(geometry.lanes) {
  RingHeader& header = view_.header();
  header.magic = kRingMagic;
  header.version = kRingVersion;
  header.lanes = geometry.lanes;
  header.records_per_lane = geometry.records_per_lane;
  header.record_bytes = sizeof(RingRecord);
  for (std::uint32_t vcpu = 0; vcpu < geometry.lanes; ++vcpu) {
    lanes_[vcpu].shared = &view_.lane(vcpu);
    lanes_[vcpu].records = &view_.record(vcpu, 0);
  }
}

Result<RingProducer> RingProducer::Create(RingGeometry geometry) {
  if (!IsValid(geometry)) return Fail(ErrorCode::kInvalid, "ring geometry");
  auto mapping = RingMapping::CreateSealed(RingBytes(geometry));
  if (!mapping) return Forward(mapping);
  // Non-blocking, so that a doorbell nobody answers can never hold a vCPU.
  UniqueFd doorbell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!doorbell.valid()) return FailErrno(errno, "eventfd");
  return RingProducer(std::move(*mapping), std::move(doorbell), geometry);
}

void RingProducer::TakeHealOrders() noexcept {
  // Relaxed: handing over the ring orders it before the notifier's look.
  Atomic(view_.header().takes)
      .store(kTakesHealOrders | kTakesPlaceQuestions, std::memory_order_relaxed);
}

inline void RingProducer::RingDoorbell() noexcept {
  // The notifier stores 1 and then looks at the lanes once more; we stored the record and now look
  // at the word. With all four accesses sequentially consistent at least one side sees the other:
  // no record waits beside a sleeping notifier.
  if (Atomic(view_.header().consumer_sleeps).load(std::memory_order_seq_cst) != 0) [[unlikely]]
    WakeNotifier();
}

void RingProducer::WakeNotifier() noexcept {
  // One ringer among many vCPUs. Acquire-release keeps the exchange behind RingDoorbell's load.
  if (Atomic(view_.header().consumer_sleeps).exchange(0, std::memory_order_acq_rel) == 0) return;
  const int saved_errno = errno;
  const std::uint64_t one = 1;
  // Fails only when the counter is full, which no VMM but one that fills it itself will see; the
  // notifier then still finds the record at its next look.
  [[maybe_unused]] const ssize_t ignored = ::write(doorbell_.get(), &one, sizeof one);
  errno = saved_errno;
}

// How many records back this vCPU said the same, 0 = not lately. Plain reads, also of records that
// are taken or released: this thread wrote them, and the notifier changes nothing but `count`.
std::uint64_t RingProducer::FindFact(const Lane& own, const SeaExit& exit) const noexcept {
  const std::uint64_t window =
      std::min({own.next, kCoalesceWindow, std::uint64_t{view_.geometry().records_per_lane}});
  for (std::uint64_t back = 1; back <= window; ++back)
    if (SameFact(RecordAt(own, own.next - back), exit)) return back;
  return 0;
}

inline void RingProducer::ReadReleased(Lane& own) noexcept {
  // Acquire: the notifier's reads of a record come before its release of it, and our writes into
  // the slot must not move ahead of them, now or as long as we go by this number.
  own.released = Atomic(own.shared->released).load(std::memory_order_acquire);
}

inline bool RingProducer::BellIsDue(Lane& own, const SeaExit& exit, bool repeat) noexcept {
  own.repeats = repeat ? own.repeats + 1 : 0;
  // A held vCPU waits for the notifier.
  const bool waits = exit.held || exit.injection == Injection::kNative;
  if (own.repeats > kPromptRepeats && !waits && exit.when - own.bell < kLookAgain) return false;
  own.bell = exit.when;
  return true;
}

// Looks at the notifier's counter only when what was last read of it leaves no room: the notifier
// takes that cache line away from us whenever it releases.
[[gnu::always_inline]] inline bool RingProducer::IsFull(Lane& own) const noexcept {
  const std::uint32_t size = view_.geometry().records_per_lane;
  if (own.next - own.released < size) return false;
  ReadReleased(own);
  return own.next - own.released >= size;
}

Published RingProducer::Lose(Lane& own) noexcept {
  if (!Lives(Mutant::kSilentLoss)) Increment(own.shared->lost);
  RingDoorbell();
  return Published::kLost;
}

void RingProducer::Announce(std::uint32_t vcpu) noexcept {
  // Sequentially consistent, for the reason given in RingDoorbell: a notifier that misses this bit
  // has its doorbell armed. Several vCPUs share the word.
  Atomic(view_.header().lanes_in_use[vcpu / 64])
      .fetch_or(std::uint64_t{1} << (vcpu % 64), std::memory_order_seq_cst);
  lanes_[vcpu].announced = true;
}

[[gnu::always_inline]] inline void RingProducer::Write(Lane& own, const SeaExit& exit,
                                                       std::uint32_t hash) noexcept {
  RingRecord& record = RecordAt(own, own.next);
  // Relaxed: the store to `sequence` below publishes all of them at once. Atomic, because the
  // notifier may look at any word at any time.
  constexpr auto relaxed = std::memory_order_relaxed;
  Atomic(record.when_ns)
      .store(static_cast<std::uint64_t>(exit.when.time_since_epoch().count()), relaxed);
  Atomic(record.flags).store(exit.flags, relaxed);
  Atomic(record.esr).store(exit.esr, relaxed);
  Atomic(record.gva).store(exit.gva.value, relaxed);
  Atomic(record.gpa).store(exit.gpa.value, relaxed);
  Atomic(record.hva).store(exit.hva.value, relaxed);
  Atomic(record.count).store(1, relaxed);
  const std::uint32_t injection = static_cast<std::uint8_t>(exit.injection);
  Atomic(record.attributes).store(exit.page_shift | injection << 8 | MarksOf(exit), relaxed);
  own.facts[own.next % kCoalesceWindow] = hash;
  // Release, so that whoever sees the number sees the record; sequentially consistent, for
  // RingDoorbell.
  Atomic(record.sequence).store(++own.next, std::memory_order_seq_cst);
  own.last = own.next;
  Atomic(own.shared->published).store(own.next, relaxed);
}

Published RingProducer::Publish(std::uint32_t vcpu, const SeaExit& exit) noexcept {
  if (vcpu >= view_.geometry().lanes) [[unlikely]] {
    // Several vCPUs may meet here; relaxed, it is a count and nothing more.
    Atomic(view_.header().laneless_losses).fetch_add(1, std::memory_order_relaxed);
    RingDoorbell();
    return Published::kLost;
  }
  Lane& own = lanes_[vcpu];
  const std::uint32_t hash = FactHash(exit);
  std::uint64_t back = 0;
  if (Contains(own.facts, hash)) [[unlikely]] {
    back = FindFact(own, exit);
    if (back != 0 && Coalesce(own, back)) return Published::kCoalesced;
  }
  own.last = 0;
  if (IsFull(own)) [[unlikely]]
    return Lose(own);
  if (!own.announced) [[unlikely]]
    Announce(vcpu);
  const bool due = BellIsDue(own, exit, back != 0);
  Write(own, exit, hash);
  if (due) RingDoorbell();
  return Published::kNew;
}

// Counts the exit in a record that is not released, if nobody has taken it yet.
bool RingProducer::Coalesce(Lane& own, std::uint64_t back) noexcept {
  ReadReleased(own);
  if (back > own.next - own.released) return false;
  auto count = Atomic(RecordAt(own, own.next - back).count);
  std::uint32_t seen = count.load(std::memory_order_relaxed);
  if ((seen & kCountClosed) != 0 || seen == kCountClosed - 1) return false;
  // One attempt: it fails only when the notifier closed the record just now. Relaxed: the count
  // stands alone, and the modification order of this one word decides whether the repeat was in
  // time.
  if (!count.compare_exchange_strong(seen, seen + 1, std::memory_order_relaxed)) return false;
  Increment(own.shared->coalesced);
  own.last = own.next - back + 1;
  return true;
}

std::uint64_t RingProducer::LastSequence(std::uint32_t vcpu) const noexcept {
  return vcpu < lanes_.size() ? lanes_[vcpu].last : 0;
}

bool RingProducer::Offers(std::uint32_t what) const noexcept {
  // Relaxed: a hint; a wrong one costs one bounded wait, or one exit told in another way.
  return (Atomic(view_.header().offers).load(std::memory_order_relaxed) & what) != 0;
}

bool RingProducer::OffersHostPages() const noexcept {
  return Offers(kOffersHostPages);
}

bool RingProducer::OffersVerdicts() const noexcept {
  return Offers(kOffersVerdicts);
}

HostPage RingProducer::AwaitHostPage(std::uint32_t vcpu, std::uint64_t sequence,
                                     std::chrono::nanoseconds slice) noexcept {
  if (vcpu >= lanes_.size()) return HostPage::kUnanswered;
  return AwaitAnswer<HostPage>(view_.lane(vcpu).host_page, sequence, slice);
}

HeldFor RingProducer::AwaitVerdict(std::uint32_t vcpu, std::uint64_t sequence,
                                   std::chrono::nanoseconds slice) noexcept {
  if (vcpu >= lanes_.size()) return HeldFor::kUnanswered;
  return AwaitAnswer<HeldFor>(view_.lane(vcpu).verdict, sequence, slice);
}

void RingProducer::CountHold(HoldStep step) noexcept {
  RingHeader& header = view_.header();
  std::uint64_t& counter = step == HoldStep::kBegun      ? header.holds_begun
                           : step == HoldStep::kAnswered ? header.holds_answered
                                                         : header.holds_timed_out;
  // Several vCPUs may meet here; relaxed, it is a count and nothing more.
  Atomic(counter).fetch_add(1, std::memory_order_relaxed);
}

void RingProducer::CountNativeFallback(std::uint32_t vcpu) noexcept {
  if (vcpu < view_.geometry().lanes) Increment(view_.lane(vcpu).native_fallbacks);
}

void RingProducer::CountFailedInjection(std::uint32_t vcpu) noexcept {
  if (vcpu < view_.geometry().lanes) Increment(view_.lane(vcpu).failed_injections);
}

void RingProducer::CountRest(std::uint32_t vcpu) noexcept {
  if (vcpu < view_.geometry().lanes) Increment(view_.lane(vcpu).rests);
}

ProducerCounters RingProducer::counters() const noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;  // a snapshot for people, of no order
  ProducerCounters sum;
  sum.lost = Atomic(view_.header().laneless_losses).load(relaxed);
  for (std::uint32_t i = 0; i < view_.geometry().lanes; ++i) {
    const std::uint64_t word = Atomic(view_.header().lanes_in_use[i / 64]).load(relaxed);
    if ((word >> (i % 64) & 1) == 0) continue;
    LaneHeader& lane = view_.lane(i);
    const std::uint64_t released = Atomic(lane.released).load(relaxed);
    const std::uint64_t published = Atomic(lane.published).load(relaxed);
    sum.published += published;
    sum.coalesced += Atomic(lane.coalesced).load(relaxed);
    sum.lost += Atomic(lane.lost).load(relaxed);
    sum.failed_injections += Atomic(lane.failed_injections).load(relaxed);
    sum.rests += Atomic(lane.rests).load(relaxed);
    sum.waiting += published > released ? published - released : 0;
  }
  return sum;
}

}  // namespace seaward::vmm
