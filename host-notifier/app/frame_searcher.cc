#include "host-notifier/app/frame_searcher.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace seaward {

struct FrameSearcher::State : std::enable_shared_from_this<State> {
  struct Job {
    PageFrame frame;
    std::vector<Candidate> among;
    std::function<void(Answer)> done;
  };
  State(boost::asio::io_context& on_loop, HostMemory& host, const Clock& by)
      : loop(on_loop), memory(host), clock(by) {}

  void Run() {
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return stopping || !jobs.empty(); });
        if (stopping) return;
        job = std::move(jobs.front());
        jobs.pop_front();
      }
      Answer answer = Look(job);
      // The loop may still hold the call after the searcher is gone.
      boost::asio::post(loop, [self = shared_from_this(), answer = std::move(answer),
                               done = std::move(job.done)]() mutable {
        if (!self->detached) done(std::move(answer));
      });
    }
  }
  Answer Look(const Job& job) {
    const MonoTime until = clock.Now() + kLongest;
    const auto give_up = [&] { return stopping.load() || clock.Now() >= until; };
    Answer answer;
    for (const auto& [vm, process] : job.among) {
      auto addresses = memory.Find(process, job.frame, give_up);
      if (addresses && !addresses->empty())
        answer.found.push_back({vm, process, std::move(*addresses)});
      // A process that ended has no memory that could be bad.
      if (!addresses && addresses.error().code != ErrorCode::kNotFound) answer.complete = false;
    }
    return answer;
  }

  boost::asio::io_context& loop;
  HostMemory& memory;
  const Clock& clock;
  bool detached = false;  // the loop's thread only
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Job> jobs;
  std::thread thread;
};

FrameSearcher::FrameSearcher(boost::asio::io_context& loop, HostMemory& memory, const Clock& clock)
    : state_(std::make_shared<State>(loop, memory, clock)) {
  state_->thread = std::thread([state = state_.get()] { state->Run(); });
}

FrameSearcher::~FrameSearcher() {
  state_->detached = true;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_one();
  }
  state_->thread.join();
}

void FrameSearcher::Search(PageFrame frame, std::vector<Candidate> among,
                           std::function<void(Answer)> done) {
  const std::lock_guard lock(state_->mutex);
  state_->jobs.push_back({frame, std::move(among), std::move(done)});
  state_->changed.notify_one();
}

}  // namespace seaward
