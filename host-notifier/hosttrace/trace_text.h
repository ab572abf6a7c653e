// What the kernel writes to trace_pipe about frames that it found bad. Pure. The text comes from
// the kernel; its layout is nobody's promise, so everything that does not look as expected is
// passed over and counted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/units.h"

namespace seaward {

// "... memory_failure_event: pfn 0x4711: recovery action for dirty LRU page: Recovered"
// (include/ras/ras_event.h, since 7.0 include/trace/events/memory-failure.h).
struct FrameFailure {
  PageFrame frame;
  std::string result;  // the kernel's word, "" when there is none: for the log
};
// "CPU:3 [LOST 5 EVENTS]": the buffer was full.
struct LostEvents {
  std::uint64_t count = 0;
};
using TraceLine = std::variant<FrameFailure, LostEvents>;

// nullopt: another line, or a damaged one.
std::optional<TraceLine> ParseTraceLine(std::string_view line);

// Cuts what is read into lines.
class TraceText {
 public:
  // A line of the event has some 150 bytes; longer ones are none of it.
  static constexpr std::size_t kLongestLine = 1024;

  void Feed(std::string_view bytes, const std::function<void(const TraceLine&)>& take);
  // Lines that were not understood.
  std::uint64_t passed_over() const { return passed_over_; }

 private:
  void End(const std::function<void(const TraceLine&)>& take);

  std::string line_;
  bool too_long_ = false;
  std::uint64_t passed_over_ = 0;
};

}  // namespace seaward
