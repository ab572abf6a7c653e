// One attempt on one page: write once, look, judge by that and by the look before.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/units.h"
#include "guest-agent/pages/guest_memory.h"
#include "guest-agent/retire/page_offliner.h"
#include "guest-agent/retire/page_verdict.h"

namespace seaward::agent {

// Where the agent keeps what it does in this boot, so that a restarted agent still knows the first
// result. Both calls come on the retirement path: an implementation must not wait for a disk.
class AttemptRecord {
 public:
  virtual ~AttemptRecord() = default;
  // Before the write.
  virtual void Attempting(const ByteRange& page, Verb verb, protocol::PageKind kind) = 0;
  virtual void Concluded(const ByteRange& page, const PageVerdict& verdict) = 0;
};

class PageRetirer {
 public:
  // All references outlive the retirer.
  PageRetirer(GuestMemory& memory, PageOffliner& offliner, AttemptRecord& record,
              const Clock& clock, PageSize page_size, protocol::Stage stage);

  // `before`: what LookAt just said of it. `first_kind`: see Attempt. Never kBudgetExceeded,
  // kExcludedBeforeBoot or kNotRam: these are decided before an attempt.
  PageVerdict Retire(PageFrame frame, Verb verb, const std::optional<PageFlags>& before,
                     std::optional<protocol::PageKind> first_kind);

  // A verdict that was reached without an attempt of its own.
  void Record(GuestPhysAddr page, const PageVerdict& verdict);

  PageSize page_size() const { return page_size_; }
  protocol::Stage stage() const { return stage_; }

 private:
  GuestMemory& memory_;
  PageOffliner& offliner_;
  AttemptRecord& record_;
  const Clock& clock_;
  PageSize page_size_;
  protocol::Stage stage_;
};

}  // namespace seaward::agent
