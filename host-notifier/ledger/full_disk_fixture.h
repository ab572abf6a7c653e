// A file system that has no room.
#pragma once

#include <signal.h>
#include <sys/resource.h>

namespace seaward::ledger {

// No file of this process may grow beyond `bytes` while it lives: a disk that is full, by the
// kernel's own hand.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    old_handler_ = ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit tight{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &tight);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit old_{};
  sighandler_t old_handler_;
};

}  // namespace seaward::ledger
