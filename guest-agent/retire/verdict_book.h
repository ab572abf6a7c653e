// The agent's own memory of this boot: the verdict on every page that it attempted.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "base/units.h"
#include "guest-agent/retire/page_verdict.h"

namespace seaward::agent {

class VerdictBook {
 public:
  explicit VerdictBook(std::size_t capacity) : capacity_(capacity) {}

  bool Full() const { return pages_.size() >= capacity_; }
  // The verdict on the page that starts at `page`, or nothing.
  const PageVerdict* Find(GuestPhysAddr page) const;
  // Replaces an earlier verdict on the same page. The caller has asked Full() for a new page.
  void Put(GuestPhysAddr page, const PageVerdict& verdict);
  void Forget(GuestPhysAddr page) { pages_.erase(page); }
  // The first page at or after `from` that the book knows.
  std::optional<GuestPhysAddr> NextKnown(GuestPhysAddr from) const;

  // Pages that were attempted hard, in ascending order: what a next boot must know, too.
  std::vector<GuestPhysAddr> HardPages() const;
  std::size_t size() const { return pages_.size(); }

 private:
  std::size_t capacity_;
  std::map<GuestPhysAddr, PageVerdict> pages_;
};

}  // namespace seaward::agent
