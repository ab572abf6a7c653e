// The frames of host memory behind a VM's pages: found through pagemap, taken away from the host's
// allocator through hard_offline_page. Needs root: for everybody else pagemap says 0. Any thread.
#pragma once

#include <optional>
#include <string>

#include "base/process_identity.h"
#include "base/result.h"
#include "base/units.h"

namespace seaward {

// The frame behind `address` in `process` now (Documentation/admin-guide/mm/pagemap.rst). nullopt
// when nobody can say: the process is gone, the page is not present, or we may not know.
// `proc_root` is /proc except in tests.
std::optional<PageFrame> FrameBehind(const ProcessIdentity& process, HostVirtAddr address,
                                     const std::string& proc_root = "/proc");

// Whether `address` is good memory now: another frame is behind it, or none, so that the next touch
// gets a fresh one. False when nobody can say, and where the kernel keeps what was there: a page
// that was swapped out, and the entry that it leaves in the place of a frame that it retired.
bool IsReplaced(const ProcessIdentity& process, HostVirtAddr address, PageFrame bad,
                const std::string& proc_root = "/proc");

// One write of the frame's address to `path` (hard_offline_page), never repeated: a second write
// acts, and answers, anew. EHWPOISON is success: the frame was retired before.
Status RetireFrame(PageFrame frame, const std::string& path);

}  // namespace seaward
