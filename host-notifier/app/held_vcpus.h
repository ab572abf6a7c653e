// The vCPUs that wait at their exit for the guest's verdict on a page. One vCPU is at one exit: of
// a lane's records only the newest waits, and answers to older ones would overwrite its own.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/units.h"
#include "host-notifier/ring/ring_consumer.h"

namespace seaward {

class HeldVcpus {
 public:
  struct Vcpu {
    std::uint64_t ring = 0;  // AttachedRing::number
    ring::RingToken token;
  };

  // It waits; for which page may not be known yet.
  void Begin(const Vcpu& vcpu);
  // For this one. Nothing changes when it waits no more.
  void WaitFor(const Vcpu& vcpu, const ByteRange& page);
  // True: it waited until now, and is to be told why no longer.
  bool End(const Vcpu& vcpu);
  // Those that wait for a page in `judged`.
  std::vector<Vcpu> WaitingFor(const ByteRange& judged) const;
  void RingEnded(std::uint64_t ring);

 private:
  struct Hold {
    std::uint64_t index = 0;
    std::optional<ByteRange> page;
  };
  using Lane = std::pair<std::uint64_t, std::uint32_t>;
  static Lane LaneOf(const Vcpu& vcpu) { return {vcpu.ring, vcpu.token.lane}; }

  std::map<Lane, Hold> holds_;
};

}  // namespace seaward
