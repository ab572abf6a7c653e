// What the emulated host's kernel itself recorded about external aborts (EmulatedHost's observer):
// the raw trace, line by line. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace seaward::lab {

// One call of kvm_handle_guest_sea.
struct ObservedAbort {
  double at_s = 0;  // CLOCK_MONOTONIC of the emulated host
  std::uint64_t esr = 0;
  GuestVirtAddr far;
  std::optional<GuestPhysAddr> page;  // none when KVM had no intermediate address
};

struct KernelTrace {
  std::vector<ObservedAbort> aborts;
  std::uint64_t exits_to_userspace = 0;  // with reason 41
  std::uint64_t lost_events = 0;         // the kernel says that it dropped some
};

// Takes the part of a trace_pipe stream that is there; a cut last line is ignored.
KernelTrace ParseKernelTrace(std::string_view text);

}  // namespace seaward::lab
