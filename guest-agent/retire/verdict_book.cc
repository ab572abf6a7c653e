#include "guest-agent/retire/verdict_book.h"

namespace seaward::agent {

const PageVerdict* VerdictBook::Find(GuestPhysAddr page) const {
  const auto it = pages_.find(page);
  return it == pages_.end() ? nullptr : &it->second.verdict;
}

void VerdictBook::Put(const ByteRange& page, const PageVerdict& verdict) {
  const auto [it, added] = pages_.try_emplace(page.start(), Known{page.length(), verdict});
  if (!added) {
    if (OutOfUse(it->second.verdict.outcome)) retired_bytes_ -= it->second.length;
    it->second = Known{page.length(), verdict};
  }
  if (OutOfUse(verdict.outcome)) retired_bytes_ += page.length();
}

std::optional<GuestPhysAddr> VerdictBook::NextKnown(GuestPhysAddr from) const {
  const auto it = pages_.lower_bound(from);
  if (it == pages_.end()) return std::nullopt;
  return it->first;
}

}  // namespace seaward::agent
