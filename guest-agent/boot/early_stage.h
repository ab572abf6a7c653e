// How long the initramfs may be kept waiting for the host. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace seaward::agent {

struct EarlyLimits {
  std::chrono::milliseconds wait;   // for the host's first word
  std::chrono::milliseconds limit;  // for everything, once it has spoken
};

// What the loop sees.
struct EarlyView {
  bool console_device = false;  // a virtio console, whose port may still be getting its name
  bool port_open = false;
  bool host_answered = false;
  bool settled = false;  // every replayed page has its verdict, and all verdicts are out
};

enum class EarlyEnd { kSettled, kNoPort, kHostSilent, kLimitReached };
std::string_view ToString(EarlyEnd end);

class EarlyStage {
 public:
  EarlyStage(const EarlyLimits& limits, MonoTime began) : limits_(limits), began_(began) {}

  // Why to go on with the boot, or nothing: wait until Deadline() at most.
  std::optional<EarlyEnd> Ended(const EarlyView& view, MonoTime now) const;
  MonoTime Deadline(const EarlyView& view) const;

 private:
  EarlyLimits limits_;
  MonoTime began_;
};

}  // namespace seaward::agent
