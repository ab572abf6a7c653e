// The edge to /sys/devices/system/memory/{hard,soft}_offline_page.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"
#include "guest-agent/retire/page_verdict.h"

namespace seaward::agent {

class PageOffliner {
 public:
  virtual ~PageOffliner() = default;
  // Exactly one write, never repeated: a second one would find the page flagged and answer for the
  // flag. Returns 0 or the write's errno. Blocks until the kernel is done with the page.
  virtual int TakeOffline(Verb verb, GuestPhysAddr page) = 0;
};

class SysfsPageOffliner final : public PageOffliner {
 public:
  // `sys` is "/sys" outside of tests. Fails when the kernel has no hard_offline_page
  // (CONFIG_MEMORY_FAILURE) or this process may not open it (CAP_SYS_ADMIN). A missing
  // soft_offline_page is met when it is needed: EOPNOTSUPP.
  static Result<SysfsPageOffliner> Open(const std::string& sys);

  int TakeOffline(Verb verb, GuestPhysAddr page) override;

 private:
  SysfsPageOffliner(UniqueFd hard, UniqueFd soft)
      : hard_(std::move(hard)), soft_(std::move(soft)) {}
  UniqueFd hard_;  // kept open: an attempt is one system call
  UniqueFd soft_;
};

}  // namespace seaward::agent
