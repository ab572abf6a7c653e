// What publishing costs a vCPU, against boost::interprocess::message_queue::try_send with the same
// 64 bytes, in one run. Nanoseconds per call, of the publishing thread alone.
//
//   burst   32 calls in a row, then the reader catches up, untimed: cost per call of the burst
//   paced   one call, then the reader catches up and goes to sleep: cost of a lonely call, with the
//           clock's own cost (case "clock") in it
//   reader  absent (nobody is to be woken; the publishing thread empties the queue, untimed) or
//           waiting (asleep, so that a call has to wake it)
//
// Neither side stamps its messages: that would cost both the same.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "host-notifier/ring/ring_consumer.h"
#include "host-notifier/vmm/ring_producer.h"

namespace {

using namespace seaward;
namespace bi = boost::interprocess;

enum class Reader { kAbsent, kWaiting };

constexpr std::uint32_t kRoom = 64;   // records or messages
constexpr std::uint32_t kBurst = 32;  // fits, so that no call fails
constexpr int kRounds = 300;
constexpr int kWaitMs = 10;  // a waiting reader looks for the end of the run this often

// Both ports: Publish() in the vCPU thread, Wait() and Take() in the reader.
class RingPort {
 public:
  RingPort()
      : producer_(vmm::RingProducer::Create({.lanes = 1, .records_per_lane = kRoom}).value()),
        consumer_(ring::RingConsumer::Open(UniqueFd(::dup(producer_.memory_fd())),
                                           UniqueFd(::dup(producer_.doorbell_fd())), clock_)
                      .value()) {
    exit_.flags = vmm::kSeaFlagGpaValid;
    exit_.esr = 0x92000010;
  }
  bool Publish() {
    exit_.gpa.value += kPoisonGranule;
    return producer_.Publish(0, exit_) == vmm::Published::kNew;
  }
  // Takes what is known to be there: a full drain would arm the doorbell.
  std::uint64_t Take(std::uint32_t known) {
    return consumer_.Drain(known, [this](const ring::RingEvent& e) { consumer_.Release(e.token); });
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
  vmm::SeaExit exit_;
};

class QueuePort {
 public:
  QueuePort()
      : name_("seaward-bench-" + std::to_string(::getpid())),
        queue_((bi::message_queue::remove(name_.c_str()), bi::create_only), name_.c_str(), kRoom,
               kBytes) {}
  ~QueuePort() { bi::message_queue::remove(name_.c_str()); }
  bool Publish() {
    words_[0] += kPoisonGranule;
    return queue_.try_send(words_.data(), kBytes, 0);
  }
  std::uint64_t Take(std::uint32_t known) {
    std::uint64_t taken = 0;
    while (taken < known && queue_.try_receive(in_.data(), kBytes, size_, priority_)) ++taken;
    return taken;
  }
  std::uint64_t Wait() {
    const auto deadline = boost::posix_time::microsec_clock::universal_time() +
                          boost::posix_time::milliseconds(kWaitMs);
    if (!queue_.timed_receive(in_.data(), kBytes, size_, priority_, deadline)) return 0;
    return 1 + Take(kRoom);
  }

 private:
  static constexpr std::size_t kBytes = 64;
  std::string name_;
  bi::message_queue queue_;
  std::array<std::uint64_t, 8> words_{};
  std::array<std::uint64_t, 8> in_{};
  std::size_t size_ = 0;
  unsigned priority_ = 0;
};

// Nothing at all: what the clock costs.
class ClockPort {
 public:
  bool Publish() { return ++published_ != 0; }
  std::uint64_t Take(std::uint32_t) { return std::exchange(published_, 0); }
  std::uint64_t Wait() { return 0; }

 private:
  std::uint64_t published_ = 0;
};

template <class Port>
class Run {
 public:
  explicit Run(Reader reader) : reader_(reader) {
    if (reader == Reader::kWaiting) thread_ = std::jthread([this](std::stop_token s) { Read(s); });
  }

  // Nanoseconds for `calls` calls; the reader has everything when it returns.
  double Time(std::uint32_t calls) {
    const auto start = clock_.Now();
    for (std::uint32_t i = 0; i < calls; ++i) failed_ += port_.Publish() ? 0u : 1u;
    const std::chrono::nanoseconds spent = clock_.Now() - start;
    sent_ += calls;
    if (reader_ == Reader::kAbsent) taken_ += port_.Take(calls);
    while (taken_.load(std::memory_order_acquire) + failed_ < sent_) std::this_thread::yield();
    return static_cast<double>(spent.count());
  }
  // Long enough for a reader that found nothing to fall asleep, on a core that is its own.
  void LetReaderSleep() const {
    if (reader_ != Reader::kWaiting) return;
    const auto until = clock_.Now() + std::chrono::microseconds(30);
    while (clock_.Now() < until) std::this_thread::yield();
  }
  std::uint64_t failed() const { return failed_; }

 private:
  void Read(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const std::uint64_t n = port_.Wait();
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
  for (auto _ : state) {
    run.LetReaderSleep();
    state.SetIterationTime(run.Time(calls) * 1e-9 / calls);
  }
  if (run.failed() != 0) state.SkipWithError("a call found no room");
}

template <class Port>
void Register(const std::string& name) {
  const struct {
    const char* name;
    std::uint32_t calls;
  } patterns[] = {{"burst", kBurst}, {"paced", 1}};
  const struct {
    const char* name;
    Reader reader;
  } readers[] = {{"absent", Reader::kAbsent}, {"waiting", Reader::kWaiting}};
  for (const auto& pattern : patterns)
    for (const auto& reader : readers)
      benchmark::RegisterBenchmark((name + "/" + pattern.name + "/" + reader.name).c_str(),
                                   [calls = pattern.calls, r = reader.reader](
                                       benchmark::State& state) { Measure<Port>(state, calls, r); })
          ->UseManualTime()
          ->Iterations(kRounds)
          ->Repetitions(7)
          ->ReportAggregatesOnly()
          ->Unit(benchmark::kNanosecond);
}

}  // namespace

int main(int argc, char** argv) {
  // Repetitions of all cases are interleaved: the machine's mood hits all alike.
  std::string interleave = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, interleave.data());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::RegisterBenchmark(
      "clock/paced/absent", [](benchmark::State& s) { Measure<ClockPort>(s, 1, Reader::kAbsent); })
      ->UseManualTime()
      ->Iterations(kRounds)
      ->Repetitions(7)
      ->ReportAggregatesOnly();
  Register<RingPort>("ring");
  Register<QueuePort>("message_queue");
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
