#include "guest-agent/journal/journal_writer.h"

#include <pthread.h>
#include <sched.h>

#include <utility>

#include "guest-agent/journal/journal_file.h"

namespace seaward::agent {

JournalWriter::JournalWriter(std::string path, OnSaved on_saved)
    : path_(std::move(path)), on_saved_(std::move(on_saved)), thread_([this] { Run(); }) {}

JournalWriter::~JournalWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void JournalWriter::Save(JournalContent content) {
  {
    const std::lock_guard lock(mutex_);
    waiting_ = std::move(content);
  }
  wake_.notify_one();
}

void JournalWriter::Run() {
  // The unit's real-time priority is for the retirement path alone. Lowering one's own never fails.
  const sched_param ordinary{};
  (void)::pthread_setschedparam(::pthread_self(), SCHED_OTHER, &ordinary);
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || waiting_.has_value(); });
    if (!waiting_) return;
    const JournalContent content = *std::exchange(waiting_, std::nullopt);
    lock.unlock();
    on_saved_(SaveJournal(path_, content), content);
    lock.lock();
  }
}

}  // namespace seaward::agent
