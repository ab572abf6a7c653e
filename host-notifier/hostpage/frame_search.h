// Which address of a process has a frame of host memory behind it: the way back from a frame number
// that the host's kernel names. Needs root, as page_frames.h. Any thread; a large process takes
// seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/process_identity.h"
#include "base/result.h"
#include "base/units.h"

namespace seaward {

struct FrameSearchLimits {
  // Entries of pagemap that are read: 1 TiB of 4 KiB pages, a few seconds.
  std::uint64_t entries = std::uint64_t{1} << 28;
  // A frame that is mapped more often in one process is no guest's memory.
  std::size_t places = 16;
};

// Ascending. A frame that the kernel took away from the process counts as well: its number stays in
// the entry that is left. kTimeout: `give_up` said so, or the limit was reached; kNotFound: the
// process is gone.
Result<std::vector<HostVirtAddr>> FindFrame(const ProcessIdentity& process, PageFrame frame,
                                            const std::function<bool()>& give_up,
                                            const FrameSearchLimits& limits = {},
                                            const std::string& proc_root = "/proc");

// Whether a pagemap entry names this frame: behind a present page, or in what the kernel leaves in
// the place of a frame that it retired (or is just moving).
bool EntryNames(std::uint64_t entry, PageFrame frame);

}  // namespace seaward
