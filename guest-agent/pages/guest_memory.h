// The running kernel's word on its physical memory: the edge between the agent's decisions and
// procfs.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"
#include "guest-agent/pages/memory_layout.h"
#include "guest-agent/pages/page_flags.h"
#include "guest-agent/pages/page_size.h"

namespace seaward::agent {

// Every call asks the kernel anew: pages change their use between two calls.
class GuestMemory {
 public:
  virtual ~GuestMemory() = default;
  // A frame that has no page is no error: it shows PageFlag::kNoPage.
  virtual Result<PageFlags> FlagsOf(PageFrame frame) = 0;
  virtual Result<MemoryLayout> ReadLayout() = 0;
  // The inode of the memory cgroup that the frame is charged to; 0: to none, or not known.
  virtual std::uint64_t CgroupOf(PageFrame) { return 0; }
};

class ProcGuestMemory final : public GuestMemory {
 public:
  // `proc` is "/proc" outside of tests. A kernel without kpageflags (CONFIG_PROC_PAGE_MONITOR) is
  // served: FlagsOf then answers kUnsupported and verdicts rest on the write's result alone.
  explicit ProcGuestMemory(const std::string& proc);

  Result<PageFlags> FlagsOf(PageFrame frame) override;
  Result<MemoryLayout> ReadLayout() override;
  std::uint64_t CgroupOf(PageFrame frame) override;

 private:
  std::string iomem_path_;
  UniqueFd kpagecgroup_;
  UniqueFd kpageflags_;  // kept open: one pread per page
};

// The first frame of the hugetlb page that holds `frame`.
Result<PageFrame> HugePageHead(GuestMemory& memory, PageFrame frame);
// The flags of the hugetlb page that holds `frame`: older kernels flag its head alone.
Result<PageFlags> HugePageFlags(GuestMemory& memory, PageFrame frame);
// What `frame` is used for and whether it is flagged, a hugetlb page's head included; nothing when
// the kernel does not say.
std::optional<PageFlags> LookAt(GuestMemory& memory, PageFrame frame);
// The same by what FlagsOf(frame) said just now.
std::optional<PageFlags> LookAt(GuestMemory& memory, PageFrame frame, const Result<PageFlags>& own);

}  // namespace seaward::agent
