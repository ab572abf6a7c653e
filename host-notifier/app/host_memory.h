// What the host's kernel can tell and do about the frames behind a VM.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/process_identity.h"
#include "base/result.h"
#include "base/units.h"

namespace seaward {

// Thread: the ledger thread, but for Find.
class HostMemory {
 public:
  virtual ~HostMemory() = default;
  // The frame behind an address of that process now; nullopt when it cannot be known.
  virtual std::optional<PageFrame> FrameBehind(const ProcessIdentity& process,
                                               HostVirtAddr address) = 0;
  // Whether the process has other memory than `bad` there now, and the kernel says so.
  virtual bool IsReplaced(const ProcessIdentity& process, HostVirtAddr address, PageFrame bad) = 0;
  // Where the process has that frame; see hostpage/frame_search.h. Any thread; takes long.
  virtual Result<std::vector<HostVirtAddr>> Find(const ProcessIdentity& process, PageFrame frame,
                                                 const std::function<bool()>& give_up) = 0;
  // Takes the frame away from the host's allocator: one attempt.
  virtual Status Retire(PageFrame frame) = 0;
};

}  // namespace seaward
