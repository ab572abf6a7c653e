// The running kernel's word on its physical memory: the edge between the agent's decisions and
// procfs.
#pragma once

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
};

class ProcGuestMemory final : public GuestMemory {
 public:
  // `proc` is "/proc" outside of tests. A kernel without kpageflags (CONFIG_PROC_PAGE_MONITOR) is
  // served: FlagsOf then answers kUnsupported and verdicts rest on the write's result alone.
  explicit ProcGuestMemory(const std::string& proc);

  Result<PageFlags> FlagsOf(PageFrame frame) override;
  Result<MemoryLayout> ReadLayout() override;

 private:
  std::string iomem_path_;
  UniqueFd kpageflags_;  // kept open: one pread per page
};

// The flags of the hugetlb page that holds `frame`: older kernels flag its head alone.
Result<PageFlags> HugePageFlags(GuestMemory& memory, PageFrame frame);

}  // namespace seaward::agent
