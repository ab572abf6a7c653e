#include "host-notifier/ring/ring_consumer.h"

#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "host-notifier/ring/received_descriptors.h"

namespace seaward::ring {
namespace {

using vmm::RingRecord;
constexpr auto kRelaxed = std::memory_order_relaxed;

// A page of 2^48 bytes would be the whole address space: anything larger is a lie.
constexpr unsigned kLargestPageShift = 47;

template <class T>
T Load(T& shared_word, std::memory_order order = kRelaxed) {
  return std::atomic_ref<T>(shared_word).load(order);
}

// Copies the constants once; later they may change under us and nobody looks.
Result<vmm::RingGeometry> ReadGeometry(const vmm::RingMapping& first_page, std::uint64_t bytes) {
  auto& header = *reinterpret_cast<vmm::RingHeader*>(first_page.data());
  if (Load(header.magic) != vmm::kRingMagic) return Fail(ErrorCode::kInvalid, "ring magic");
  if (Load(header.version) != vmm::kRingVersion)
    return Fail(ErrorCode::kUnsupported, "ring version");
  const vmm::RingGeometry geometry{.lanes = Load(header.lanes),
                                   .records_per_lane = Load(header.records_per_lane)};
  if (Load(header.record_bytes) != sizeof(RingRecord) || !vmm::IsValid(geometry) ||
      vmm::RingBytes(geometry) != bytes)
    return Fail(ErrorCode::kInvalid, "ring geometry does not fit the ring's size");
  return geometry;
}

Result<UniqueFd> WatchEdges(int doorbell) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return FailErrno(errno, "epoll_create1");
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = 0}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, doorbell, &event) != 0)
    return FailErrno(errno, "watching the doorbell");
  return epoll;
}

void Wake(std::uint32_t& word, std::uint32_t answer) {
  // Relaxed: the word says all; the futex call orders it before the wake-up.
  std::atomic_ref(word).store(answer, kRelaxed);
  // Never waits, whatever a hostile VMM makes of the word: its own threads are all it can keep.
  ::syscall(SYS_futex, &word, FUTEX_WAKE, std::numeric_limits<int>::max(), nullptr, nullptr, 0);
}

// Takes a pending edge, so that the wakeup descriptor is quiet until the next ring.
void AcknowledgeEdge(int wakeup) {
  epoll_event event;
  [[maybe_unused]] const int rung = ::epoll_wait(wakeup, &event, 1, 0);
}

}  // namespace

Result<RingConsumer> RingConsumer::Open(UniqueFd memory, UniqueFd doorbell, const Clock& clock) {
  if (auto checked = CheckDoorbell(doorbell.get()); !checked) return Forward(checked);
  auto bytes = CheckRingMemory(memory.get());
  if (!bytes) return Forward(bytes);
  auto mapping = vmm::RingMapping::Map(std::move(memory), *bytes);
  if (!mapping) return Forward(mapping);
  auto geometry = ReadGeometry(*mapping, *bytes);
  if (!geometry) return Forward(geometry);
  auto wakeup = WatchEdges(doorbell.get());
  if (!wakeup) return Forward(wakeup);
  return RingConsumer(std::move(*mapping), *geometry, std::move(doorbell), std::move(*wakeup),
                      clock);
}

RingConsumer::RingConsumer(vmm::RingMapping mapping, vmm::RingGeometry geometry, UniqueFd doorbell,
                           UniqueFd wakeup, const Clock& clock)
    : mapping_(std::move(mapping)),
      view_(mapping_.data(), geometry),
      doorbell_(std::move(doorbell)),
      wakeup_(std::move(wakeup)),
      clock_(&clock) {}

bool RingConsumer::InUse(std::uint32_t lane_number) const {
  // Sequentially consistent: see Drain.
  const auto word = Load(view_.header().lanes_in_use[lane_number / 64], std::memory_order_seq_cst);
  return (word >> (lane_number % 64) & 1) != 0;
}

std::size_t RingConsumer::Drain(std::size_t max,
                                const std::function<void(const RingEvent&)>& take) {
  auto sleeps = std::atomic_ref(view_.header().consumer_sleeps);
  AcknowledgeEdge(wakeup_.get());
  // Awake: the VMM may save the system call. Not written twice: every vCPU reads this word.
  if (sleeps.load(kRelaxed) != 0) sleeps.store(0, kRelaxed);
  std::size_t taken = Sweep(max, take);
  if (taken == max) return taken;
  // Say "asleep", then look once more; the VMM stores a record, then reads the word. All four
  // sequentially consistent: a record stored after our look finds the word set and rings.
  sleeps.store(1, std::memory_order_seq_cst);
  const std::size_t late = Sweep(max - taken, take);
  taken += late;
  if (taken == max) sleeps.store(0, kRelaxed);
  return taken;
}

std::size_t RingConsumer::Sweep(std::size_t max,
                                const std::function<void(const RingEvent&)>& take) {
  std::size_t taken = 0;
  const std::uint32_t lanes = view_.geometry().lanes;
  for (bool any = true; any && taken < max;) {
    any = false;
    const std::uint32_t start = first_lane_;
    for (std::uint32_t i = 0; i < lanes && taken < max; ++i) {
      const std::uint32_t lane = (start + i) % lanes;
      if (!InUse(lane) || !TakeOne(lane, take)) continue;
      any = true;
      ++taken;
      first_lane_ = (lane + 1) % lanes;
    }
  }
  return taken;
}

bool RingConsumer::TakeOne(std::uint32_t lane_number,
                           const std::function<void(const RingEvent&)>& take) {
  if (lane_number >= lanes_.size()) lanes_.resize(lane_number + 1);
  Lane& lane = lanes_[lane_number];
  const std::uint32_t size = view_.geometry().records_per_lane;
  if (lane.done.empty()) {
    // First use. The counter was written by the notifier before us, or by a hostile VMM, which then
    // only confuses its own lane: any number is a valid start.
    lane.released = lane.next = Load(view_.lane(lane_number).released);
    lane.done.assign(size, false);
  }
  // An honest producer waits for the release; a hostile one must not make us hold more than a lane.
  if (lane.next - lane.released >= size) return false;
  RingRecord& record = view_.record(lane_number, lane.next);
  // Acquire: the record's words are copied after its number was seen. Sequentially consistent: see
  // Drain.
  if (Load(record.sequence, std::memory_order_seq_cst) != lane.next + 1) return false;
  const RingEvent event = CopyOut(record, RingToken{.lane = lane_number, .index = lane.next});
  lane.done[lane.next % size] = false;
  ++lane.next;
  ++taken_;
  take(event);
  return true;
}

RingEvent RingConsumer::CopyOut(RingRecord& record, RingToken token) {
  RingEvent event;
  event.token = token;
  event.vcpu = token.lane;
  const std::uint64_t when = Load(record.when_ns);
  event.flags = Load(record.flags);
  event.esr = Load(record.esr);
  event.gva = GuestVirtAddr{Load(record.gva)};
  event.gpa = GuestPhysAddr{Load(record.gpa)};
  event.hva = HostVirtAddr{Load(record.hva)};
  const std::uint32_t attributes = Load(record.attributes);
  // One exchange settles which repeats this event stands for: later ones see the mark and become
  // records of their own. Relaxed: the word stands alone.
  const std::uint32_t count =
      std::atomic_ref(record.count).fetch_or(vmm::kCountClosed, kRelaxed) & ~vmm::kCountClosed;

  const MonoTime now = clock_->Now();
  const auto now_ns = static_cast<std::uint64_t>(now.time_since_epoch().count());
  const unsigned page_shift = attributes & 0xff;
  const unsigned injection = attributes >> 8 & 0xff;
  const bool known_bits = (attributes >> 16 & ~((vmm::kWalkedBit | vmm::kHeldBit) >> 16)) == 0;
  const bool known_injection = injection <= static_cast<unsigned>(vmm::kLastInjection);
  if (when > now_ns || count == 0 || page_shift > kLargestPageShift || !known_injection ||
      !known_bits)
    ++malformed_;
  event.when = when > now_ns ? now : MonoTime(std::chrono::nanoseconds(when));
  event.walked = (attributes & vmm::kWalkedBit) != 0;
  event.held = (attributes & vmm::kHeldBit) != 0;
  event.count = count == 0 ? 1 : count;
  if (page_shift != 0 && page_shift <= kLargestPageShift)
    event.backing_page_size = std::uint64_t{1} << page_shift;
  if (known_injection) event.injection = static_cast<vmm::Injection>(injection);
  return event;
}

void RingConsumer::Release(RingToken token) {
  if (token.lane >= lanes_.size()) return;
  Lane& lane = lanes_[token.lane];
  const std::uint32_t size = view_.geometry().records_per_lane;
  if (lane.done.empty() || token.index - lane.released >= lane.next - lane.released) return;
  lane.done[token.index % size] = true;
  const std::uint64_t before = lane.released;
  while (lane.released != lane.next && lane.done[lane.released % size]) {
    lane.done[lane.released % size] = false;
    ++lane.released;
  }
  if (lane.released == before) return;
  // Release: our reads of the records come before the producer's next writes into their slots.
  std::atomic_ref(view_.lane(token.lane).released).store(lane.released, std::memory_order_release);
}

bool RingConsumer::TakesHealOrders() const {
  return (Load(view_.header().takes) & vmm::kTakesHealOrders) != 0;
}

bool RingConsumer::TakesPlaceQuestions() const {
  return (Load(view_.header().takes) & vmm::kTakesPlaceQuestions) != 0;
}

void RingConsumer::Offer(std::uint32_t what) {
  // Relaxed: see RingProducer::Offers.
  std::atomic_ref(view_.header().offers).store(what, kRelaxed);
}

void RingConsumer::AnswerHostPage(RingToken token, vmm::HostPage answer) {
  if (token.lane >= view_.geometry().lanes) return;
  Wake(view_.lane(token.lane).host_page, vmm::HostPageAnswer(token.index + 1, answer));
}

void RingConsumer::AnswerHeld(RingToken token, vmm::HeldFor answer) {
  if (token.lane >= view_.geometry().lanes) return;
  Wake(view_.lane(token.lane).verdict, vmm::VerdictAnswer(token.index + 1, answer));
}

RingCounters RingConsumer::counters() const {
  RingCounters sum{.taken = taken_, .malformed = malformed_};
  sum.lost = Load(view_.header().laneless_losses);
  sum.holds_begun = Load(view_.header().holds_begun);
  sum.holds_answered = Load(view_.header().holds_answered);
  sum.holds_timed_out = Load(view_.header().holds_timed_out);
  for (std::uint32_t i = 0; i < view_.geometry().lanes; ++i) {
    if (!InUse(i)) continue;
    vmm::LaneHeader& lane = view_.lane(i);
    sum.coalesced += Load(lane.coalesced);
    sum.lost += Load(lane.lost);
    sum.failed_injections += Load(lane.failed_injections);
    sum.native_fallbacks += Load(lane.native_fallbacks);
    sum.rests += Load(lane.rests);
  }
  return sum;
}

}  // namespace seaward::ring
