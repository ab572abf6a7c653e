#include "host-notifier/app/page_book.h"

namespace seaward {
namespace {

int Weight(protocol::Evidence evidence) {
  switch (evidence) {
    case protocol::Evidence::kPredicted:
      return 0;
    case protocol::Evidence::kLatent:
      return 1;
    case protocol::Evidence::kConsumed:
      return 2;
  }
  return 2;
}

bool Holds(const ByteRange& outer, const ByteRange& inner) {
  return outer.start() <= inner.start() && inner.last() <= outer.last();
}

}  // namespace

bool IsWorse(protocol::Evidence a, protocol::Evidence b) {
  return Weight(a) > Weight(b);
}

void PageBook::Load(const std::vector<protocol::PoisonEntry>& entries) {
  entries_.clear();
  by_start_.clear();
  for (const auto& entry : entries) {
    entries_.insert_or_assign(entry.id, entry);
    by_start_.insert_or_assign(entry.range.start().value, entry.id);
  }
}

PageBook::Noted PageBook::Note(const ByteRange& range, protocol::Evidence evidence,
                               std::uint64_t fresh_id) {
  // Pages are found by their start; entries of one incarnation rarely overlap, and where they do,
  // a second entry for the same bytes costs one more message and nothing else.
  auto after = by_start_.upper_bound(range.start().value);
  if (after != by_start_.begin()) {
    auto& known = entries_.at(std::prev(after)->second);
    if (Holds(known.range, range)) {
      const bool worse = IsWorse(evidence, known.evidence);
      if (worse) known.evidence = evidence;
      return {known, worse};
    }
  }
  protocol::PoisonEntry entry{fresh_id, range, evidence, false};
  entries_.insert_or_assign(fresh_id, entry);
  by_start_.insert_or_assign(range.start().value, fresh_id);
  return {entry, true};
}

bool PageBook::Correct(std::uint64_t used_id, const protocol::PoisonEntry& recorded) {
  const auto used = entries_.find(used_id);
  if (used_id == recorded.id && used != entries_.end() && used->second.range == recorded.range)
    return false;
  Forget(used_id);
  entries_.insert_or_assign(recorded.id, recorded);
  by_start_.insert_or_assign(recorded.range.start().value, recorded.id);
  return true;
}

void PageBook::Forget(std::uint64_t id) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return;
  by_start_.erase(entry->second.range.start().value);
  entries_.erase(entry);
}

void PageBook::StartNewBoot() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (it->second.evidence == protocol::Evidence::kPredicted) {
      by_start_.erase(it->second.range.start().value);
      it = entries_.erase(it);
    } else {
      it->second.replay = true;
      ++it;
    }
  }
}

std::vector<protocol::PoisonEntry> PageBook::Wanted() const {
  std::vector<protocol::PoisonEntry> wanted;
  wanted.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) wanted.push_back(entry);
  return wanted;
}

std::optional<protocol::PoisonEntry> PageBook::Find(std::uint64_t id) const {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return std::nullopt;
  return it->second;
}

}  // namespace seaward
