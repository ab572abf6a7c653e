// Counts what the guest did wrong, and what of it the listener has not heard yet.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "host-notifier/session/session_edges.h"

namespace seaward::session {

class FaultCounts {
 public:
  void Add(ProtocolFault fault, std::uint64_t count = 1) {
    total_[Index(fault)] += count;
    unreported_[Index(fault)] += count;
  }
  std::uint64_t total(ProtocolFault fault) const { return total_[Index(fault)]; }

  void ReportTo(SessionListener& listener) {
    for (std::size_t i = 0; i < kProtocolFaults; ++i) {
      const std::uint64_t count = std::exchange(unreported_[i], 0);
      if (count != 0) listener.OnProtocolFault(static_cast<ProtocolFault>(i), count);
    }
  }

 private:
  static std::size_t Index(ProtocolFault fault) { return static_cast<std::size_t>(fault); }
  std::array<std::uint64_t, kProtocolFaults> total_{};
  std::array<std::uint64_t, kProtocolFaults> unreported_{};
};

}  // namespace seaward::session
