#include "guest-agent/retire/verdict_book.h"

namespace seaward::agent {

const PageVerdict* VerdictBook::Find(GuestPhysAddr page) const {
  const auto it = pages_.find(page);
  return it == pages_.end() ? nullptr : &it->second;
}

void VerdictBook::Put(GuestPhysAddr page, const PageVerdict& verdict) {
  pages_.insert_or_assign(page, verdict);
}

std::optional<GuestPhysAddr> VerdictBook::NextKnown(GuestPhysAddr from) const {
  const auto it = pages_.lower_bound(from);
  if (it == pages_.end()) return std::nullopt;
  return it->first;
}

std::vector<GuestPhysAddr> VerdictBook::HardPages() const {
  std::vector<GuestPhysAddr> pages;
  for (const auto& [start, verdict] : pages_)
    if (verdict.verb == Verb::kHard) pages.push_back(start);
  return pages;
}

}  // namespace seaward::agent
