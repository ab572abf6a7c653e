// The agent's own memory of this boot: the verdict on every page that it attempted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

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
  void Put(const ByteRange& page, const PageVerdict& verdict);
  // The first page at or after `from` that the book knows.
  std::optional<GuestPhysAddr> NextKnown(GuestPhysAddr from) const;

  // Bytes that are out of use: what counts against the budget.
  std::uint64_t retired_bytes() const { return retired_bytes_; }
  std::size_t size() const { return pages_.size(); }

 private:
  struct Known {
    std::uint64_t length;
    PageVerdict verdict;
  };
  std::size_t capacity_;
  std::map<GuestPhysAddr, Known> pages_;
  std::uint64_t retired_bytes_ = 0;
};

}  // namespace seaward::agent
