// One VM's VMM as the scale programs play it, by the library for VMM authors: pages of its guest go
// bad by number, every other page from 1 GiB on, so that none joins its neighbour.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/uuid.h"
#include "seaward/vmm.h"

namespace seaward::bench {

struct DetachVmm {
  void operator()(seaward_vmm* vmm) const { seaward_detach(vmm); }
};
using VmmHandle = std::unique_ptr<seaward_vmm, DetachVmm>;

// Records that wait at once in the lane of the one vCPU that consumes all of it.
inline constexpr std::uint64_t kLaneRecords = 128;
inline constexpr std::uint64_t kBadPageBytes = 0x1000;

// Does not wait for the notifier: IsAttached.
Result<VmmHandle> AttachVmm(const std::string& attach_socket, const Uuid& vm);
bool IsAttached(const VmmHandle& vmm);
// Exits that no commit of the notifier has yet.
std::uint64_t RecordsWaiting(const VmmHandle& vmm);
// kLimit: the ring has no room.
Status ConsumeBadPage(const VmmHandle& vmm, std::uint64_t number);

}  // namespace seaward::bench
