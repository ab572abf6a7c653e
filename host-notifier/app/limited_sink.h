// Lets through so many log lines of one VM and no more: a VMM or a guest decides how much there is
// to say, and must not drown what others have. What was held back is counted and said.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "host-notifier/session/token_bucket.h"

namespace seaward {

class LimitedSink final : public LogSink {
 public:
  // A reboot with a page set of ordinary size fits into the burst.
  static constexpr std::uint64_t kBurst = 200;
  static constexpr std::uint64_t kPerSecond = 20;

  LimitedSink(LogSink& to, const Clock& clock, std::string vm)
      : to_(to), clock_(clock), vm_(std::move(vm)), budget_(kPerSecond, kBurst, clock.Now()) {}

  void Write(LogLevel level, std::string_view line) override {
    if (MayPass()) to_.Write(level, line);
  }
  void Tell(const LogRecord& record) override {
    if (MayPass()) to_.Tell(record);
  }

 private:
  bool MayPass() {
    if (!budget_.TryTake(clock_.Now())) {
      ++held_back_;
      return false;
    }
    if (held_back_ > 0) {
      const Logger log(to_, LogLevel::kWarning);
      log.Warning("log_lines_held_back", {{"vm", vm_}, {"lines", std::to_string(held_back_)}});
      held_back_ = 0;
    }
    return true;
  }

  LogSink& to_;
  const Clock& clock_;
  const std::string vm_;
  session::TokenBucket budget_;
  std::uint64_t held_back_ = 0;
};

}  // namespace seaward
