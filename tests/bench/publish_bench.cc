// What publishing costs a vCPU, against boost::interprocess::message_queue::try_send and
// boost::lockfree::spsc_queue in shared memory with the same 64 bytes, in one run. Nanoseconds per
// call, of the publishing thread alone.
//
//   burst    64 calls in a row, then the reader catches up, untimed: cost per call of the burst
//   paced    one call each 10 us: cost of a lonely call, with the clock's own cost ("clock") in it
//   absent   nobody reads meanwhile: the publishing thread empties the queue, untimed
//   spinning a thread that takes each message as soon as it sees it, and never sleeps
//   blocked  a thread that sleeps, so that a call has to wake it; spsc_queue knows no such thing
//
// p50 and p99 are of single samples (a burst, a call): a mean tells of the times when a machine
// with other work took the processor away.
//
// `publish_bench --exits N` publishes N exits and nothing else, for a profiler to count.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <charconv>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "host-notifier/ring/ring_consumer.h"
#include "host-notifier/vmm/ring_producer.h"
#include "tests/bench/samples.h"

namespace {

using namespace seaward;
namespace bi = boost::interprocess;

enum class Reader { kAbsent, kSpinning, kBlocked };

constexpr std::uint32_t kRoom = 64;   // records or messages
constexpr std::uint32_t kBurst = 64;  // fits, so that no call fails
constexpr auto kPace = std::chrono::microseconds(10);
constexpr int kRounds = 150;
constexpr int kRepetitions = 5;
constexpr int kWaitMs = 10;  // a sleeping reader looks for the end of the run this often

vmm::SeaExit SomeExit() {
  vmm::SeaExit exit;
  exit.flags = vmm::kSeaFlagGpaValid;
  exit.esr = 0x92000010;
  return exit;
}

// All ports: Publish() in the vCPU thread; Take, Spin and Wait in the reader.
class RingPort {
 public:
  RingPort()
      : producer_(vmm::RingProducer::Create({.lanes = 1, .records_per_lane = kRoom}).value()),
        consumer_(ring::RingConsumer::Open(UniqueFd(::dup(producer_.memory_fd())),
                                           UniqueFd(::dup(producer_.doorbell_fd())), clock_)
                      .value()),
        mapping_(vmm::RingMapping::Map(UniqueFd(::dup(producer_.memory_fd())),
                                       vmm::RingBytes(producer_.geometry()))
                     .value()),
        view_(mapping_.data(), producer_.geometry()) {}
  bool Publish() {
    exit_.gpa.value += kPoisonGranule;
    return producer_.Publish(0, exit_) == vmm::Published::kNew;
  }
  // Takes what is known to be there: a full drain would arm the doorbell.
  std::uint64_t Take(std::uint32_t known) {
    const std::size_t taken =
        consumer_.Drain(known, [this](const ring::RingEvent& e) { consumer_.Release(e.token); });
    next_ += taken;
    return taken;
  }
  // What a notifier that never sleeps would do.
  std::uint64_t Spin() {
    const std::atomic_ref sequence(view_.record(0, next_).sequence);
    return sequence.load(std::memory_order_acquire) == next_ + 1 ? Take(1) : 0;
  }
  std::uint64_t Wait() {
    pollfd doorbell{.fd = consumer_.doorbell_fd(), .events = POLLIN, .revents = 0};
    ::poll(&doorbell, 1, kWaitMs);
    return Take(kRoom + 1);  // all, and arm the doorbell
  }

 private:
  SystemClock clock_;
  vmm::RingProducer producer_;
  ring::RingConsumer consumer_;
  vmm::RingMapping mapping_;
  vmm::RingView view_;
  std::uint64_t next_ = 0;  // the reader's
  vmm::SeaExit exit_ = SomeExit();
};

using Words = std::array<std::uint64_t, 8>;

std::string SharedName(const char* what) {
  return std::string("seaward-bench-") + what + "-" + std::to_string(::getpid());
}

class QueuePort {
 public:
  QueuePort()
      : name_(SharedName("mq")),
        queue_((bi::message_queue::remove(name_.c_str()), bi::create_only), name_.c_str(), kRoom,
               sizeof(Words)) {}
  ~QueuePort() { bi::message_queue::remove(name_.c_str()); }
  bool Publish() {
    words_[0] += kPoisonGranule;
    return queue_.try_send(words_.data(), sizeof words_, 0);
  }
  std::uint64_t Take(std::uint32_t known) {
    std::uint64_t taken = 0;
    while (taken < known && queue_.try_receive(in_.data(), sizeof in_, size_, priority_)) ++taken;
    return taken;
  }
  std::uint64_t Spin() { return Take(1); }
  std::uint64_t Wait() {
    const auto deadline = boost::posix_time::microsec_clock::universal_time() +
                          boost::posix_time::milliseconds(kWaitMs);
    if (!queue_.timed_receive(in_.data(), sizeof in_, size_, priority_, deadline)) return 0;
    return 1 + Take(kRoom);
  }

 private:
  std::string name_;
  bi::message_queue queue_;
  Words words_{};
  Words in_{};
  std::size_t size_ = 0;
  unsigned priority_ = 0;
};

class SpscPort {
 public:
  SpscPort()
      : name_(SharedName("spsc")),
        memory_((bi::shared_memory_object::remove(name_.c_str()), bi::create_only), name_.c_str(),
                kMemoryBytes),
        queue_(*memory_.construct<Queue>("queue")()) {}
  ~SpscPort() { bi::shared_memory_object::remove(name_.c_str()); }
  bool Publish() {
    words_[0] += kPoisonGranule;
    return queue_.push(words_);
  }
  std::uint64_t Take(std::uint32_t known) {
    std::uint64_t taken = 0;
    while (taken < known && queue_.pop(in_)) ++taken;
    return taken;
  }
  std::uint64_t Spin() { return Take(1); }
  std::uint64_t Wait() { return Take(kRoom); }

 private:
  using Queue = boost::lockfree::spsc_queue<Words, boost::lockfree::capacity<kRoom>>;
  static constexpr std::size_t kMemoryBytes = 65536;
  std::string name_;
  bi::managed_shared_memory memory_;
  Queue& queue_;
  Words words_{};
  Words in_{};
};

// Nothing at all: what the clock costs.
class ClockPort {
 public:
  bool Publish() { return ++published_ != 0; }
  std::uint64_t Take(std::uint32_t) { return std::exchange(published_, 0); }
  std::uint64_t Spin() { return 0; }
  std::uint64_t Wait() { return 0; }

 private:
  std::uint64_t published_ = 0;
};

template <class Port>
class Run {
 public:
  explicit Run(Reader reader) : reader_(reader) {
    if (reader != Reader::kAbsent) thread_ = std::jthread([this](std::stop_token s) { Read(s); });
  }

  // For `calls` calls; the reader has everything when it returns.
  std::chrono::nanoseconds Time(std::uint32_t calls) {
    const auto start = clock_.Now();
    for (std::uint32_t i = 0; i < calls; ++i) failed_ += port_.Publish() ? 0u : 1u;
    const std::chrono::nanoseconds spent = clock_.Now() - start;
    sent_ += calls;
    if (reader_ == Reader::kAbsent) taken_ += port_.Take(calls);
    const auto patience = clock_.Now() + 10 * kPace;
    while (taken_.load(std::memory_order_acquire) + failed_ < sent_)
      if (clock_.Now() > patience) std::this_thread::yield();  // the reader has no core of its own
    return spent;
  }
  // Until the next call is due; a reader that found nothing is asleep by then, on a core of its
  // own.
  void Pace() const {
    const auto until = clock_.Now() + (reader_ == Reader::kBlocked ? 3 * kPace : kPace);
    while (clock_.Now() < until) {
    }
  }
  std::uint64_t failed() const { return failed_; }

 private:
  void Read(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const std::uint64_t n = reader_ == Reader::kBlocked ? port_.Wait() : port_.Spin();
      if (n != 0) taken_.fetch_add(n, std::memory_order_release);
    }
  }
  const Reader reader_;
  SystemClock clock_;
  Port port_;
  std::atomic<std::uint64_t> taken_{0};
  std::uint64_t sent_ = 0;
  std::uint64_t failed_ = 0;
  std::jthread thread_;  // last: ends before what it uses
};

template <class Port>
void Measure(benchmark::State& state, std::uint32_t calls, Reader reader) {
  Run<Port> run(reader);
  for (int i = 0; i < 50; ++i) run.Time(calls);  // pages touched, caches warm
  std::vector<std::chrono::nanoseconds> samples;
  for (auto _ : state) {
    run.Pace();
    samples.push_back(run.Time(calls));
    state.SetIterationTime(static_cast<double>(samples.back().count()) * 1e-9 / calls);
  }
  state.counters["p50"] = bench::QuantileUs(samples, 0.5) * 1000 / calls;
  state.counters["p99"] = bench::QuantileUs(samples, 0.99) * 1000 / calls;
  if (run.failed() != 0) state.SkipWithError("a call found no room");
}

template <class Port>
void RegisterCase(const std::string& name, std::uint32_t calls, Reader reader) {
  benchmark::RegisterBenchmark(
      name.c_str(),
      [calls, reader](benchmark::State& state) { Measure<Port>(state, calls, reader); })
      ->UseManualTime()
      ->Iterations(kRounds)
      ->Repetitions(kRepetitions)
      ->ReportAggregatesOnly();
}

template <class Port>
void Register(const std::string& name, bool can_block) {
  for (const auto& [pattern, calls] : {std::pair{"/burst", kBurst}, std::pair{"/paced", 1u}}) {
    RegisterCase<Port>(name + pattern + "/absent", calls, Reader::kAbsent);
    RegisterCase<Port>(name + pattern + "/spinning", calls, Reader::kSpinning);
    if (can_block) RegisterCase<Port>(name + pattern + "/blocked", calls, Reader::kBlocked);
  }
}

// The ring alone, with a reader's word now and then so that it never fills up.
int PublishAlone(std::uint32_t exits) {
  RingPort port;
  for (std::uint32_t i = 0; i < exits; ++i) {
    if (!port.Publish()) return 1;
    if ((i + 1) % kRoom == 0) port.Take(kRoom);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--exits") {
    const std::string_view text(argv[2]);
    std::uint32_t exits = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), exits);
    return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() ? PublishAlone(exits)
                                                                               : 2;
  }
  // Repetitions of all cases are interleaved: the machine's mood hits all alike.
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, interleave.data());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  RegisterCase<ClockPort>("clock/paced/absent", 1, Reader::kAbsent);
  Register<RingPort>("ring", true);
  Register<QueuePort>("message_queue", true);
  Register<SpscPort>("spsc_queue", false);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
