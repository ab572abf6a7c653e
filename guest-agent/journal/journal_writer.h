// Writes the journal on a thread of its own: a disk that hangs must not keep a page from being
// retired.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"
#include "guest-agent/journal/journal_format.h"

namespace seaward::agent {

class JournalWriter {
 public:
  // How one save ended, and what was saved; called on the writer's thread.
  using OnSaved = std::function<void(const Status&, const JournalContent&)>;

  JournalWriter(std::string path, OnSaved on_saved);
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;
  // Writes what still waits.
  ~JournalWriter();

  // Never blocks on the disk. What was handed over and is not being written yet is replaced: the
  // newest content is the one that counts.
  void Save(JournalContent content);

 private:
  void Run();

  std::string path_;
  OnSaved on_saved_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<JournalContent> waiting_;  // guarded by mutex_
  bool stopping_ = false;                  // guarded by mutex_
  std::thread thread_;                     // last: runs on the members above
};

}  // namespace seaward::agent
